import type { Command } from '../daemon/manager.ts'

/** What a property list holds, as far as it is needed here. */
type Value = string | number | boolean | readonly string[]

/** A daemon of launchd, as launchd.plist(5) says. @param errors the file that takes what Node says when it ends badly */
export function renderPlist({
  label,
  user,
  errors,
  command: { file, args, folder },
}: {
  label: string
  user: string
  errors: string
  command: Command
}): string {
  const values: Record<string, Value> = {
    Label: label,
    ProgramArguments: [file, ...args],
    WorkingDirectory: folder,
    UserName: user,
    // Whatever it ends with, and for ever; not faster than every 10 s.
    KeepAlive: true,
    RunAtLoad: true,
    ThrottleInterval: 10,
    ProcessType: 'Background',
    LowPriorityIO: true,
    // In seconds, and then it is killed.
    ExitTimeOut: 10,
    Umask: 0o077,
    StandardErrorPath: errors,
  }
  const lines = Object.entries(values).flatMap(([name, value]) => [`  <key>${name}</key>`, ...render(value)])
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    '<dict>',
    ...lines,
    '</dict>',
    '</plist>',
    '',
  ].join('\n')
}

function render(value: Value): string[] {
  if (typeof value === 'boolean') return [`  <${value}/>`]
  if (typeof value === 'number') return [`  <integer>${value}</integer>`]
  if (typeof value === 'string') return [`  <string>${escapeXml(value)}</string>`]
  return ['  <array>', ...value.map((each) => `    <string>${escapeXml(each)}</string>`), '  </array>']
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** A text between tags or quotes. @throws Error for characters that XML has none of */
export function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the ones that XML 1.0 excludes
  if (/[\u0000-\u001f\ufffe\uffff]|\p{Cs}/u.test(text))
    throw new Error(`${JSON.stringify(text)} cannot be written in XML`)
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? '')
}
