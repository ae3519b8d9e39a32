import { escapeXml } from '../launchd/plist.ts'
import type { Command } from '../daemon/manager.ts'

/** LOCAL SERVICE: no password, few rights, on the network nobody. */
export const LOCAL_SERVICE = 'S-1-5-19'

/**
 * A task of the Task Scheduler (MS-TSCH, its XML schema): it begins with the machine and never ends by itself. Whatever it
 * ended with, it is begun again within five minutes; where it could not be started, within one (RestartOnFailure).
 */
export function renderTask({ file, args, folder }: Command): string {
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    '  <RegistrationInfo>',
    '    <Description>Sends files that a Backhaul server asks for.</Description>',
    '  </RegistrationInfo>',
    '  <Triggers>',
    // The second is for the time until the first start of the machine.
    ...['BootTrigger', 'RegistrationTrigger'].flatMap((trigger) => [
      `    <${trigger}>`,
      '      <Repetition>',
      '        <Interval>PT5M</Interval>',
      '      </Repetition>',
      '      <Enabled>true</Enabled>',
      `    </${trigger}>`,
    ]),
    '  </Triggers>',
    '  <Principals>',
    '    <Principal id="Agent">',
    `      <UserId>${LOCAL_SERVICE}</UserId>`,
    '      <RunLevel>LeastPrivilege</RunLevel>',
    '    </Principal>',
    '  </Principals>',
    '  <Settings>',
    '    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>',
    '    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>',
    '    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>',
    '    <AllowHardTerminate>true</AllowHardTerminate>',
    '    <StartWhenAvailable>true</StartWhenAvailable>',
    '    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>',
    '    <AllowStartOnDemand>true</AllowStartOnDemand>',
    '    <Enabled>true</Enabled>',
    '    <Hidden>true</Hidden>',
    '    <RunOnlyIfIdle>false</RunOnlyIfIdle>',
    '    <WakeToRun>false</WakeToRun>',
    '    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>',
    '    <Priority>7</Priority>',
    '    <RestartOnFailure>',
    '      <Interval>PT1M</Interval>',
    '      <Count>255</Count>',
    '    </RestartOnFailure>',
    '  </Settings>',
    '  <Actions Context="Agent">',
    '    <Exec>',
    `      <Command>${escapeXml(file)}</Command>`,
    `      <Arguments>${escapeXml(args.map(quote).join(' '))}</Arguments>`,
    `      <WorkingDirectory>${escapeXml(folder)}</WorkingDirectory>`,
    '    </Exec>',
    '  </Actions>',
    '</Task>',
    '',
  ].join('\r\n')
}

/** One argument as programs take them apart on Windows (CommandLineToArgvW): backslashes count before a quote only. */
export function quote(argument: string): string {
  if (/^[^\s"]+$/.test(argument)) return argument
  return `"${argument.replace(/(\\*)"/g, '$1$1\\"').replace(/\\+$/, '$&$&')}"`
}
