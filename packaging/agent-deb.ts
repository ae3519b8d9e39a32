import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { linkedWith, makeDeb } from './deb.ts'
import { licencesOf } from './licences.ts'
import { platforms, type Platform } from './platforms.ts'
import { projectFolder, version } from './project.ts'

const read = (name: string): Promise<string> => readFile(join(projectFolder, 'packaging/agent', name), 'utf8')

/**
 * The agent as a Debian package, made from its executable.
 * @param folder where it goes @returns its name there
 */
export async function makeAgentDeb({
  executable,
  platform,
  folder,
}: {
  executable: string
  platform: Platform
  folder: string
}): Promise<string> {
  const architecture = platforms[platform].debian
  const name = `backhaul-agent_${version}_${architecture}.deb`
  const unit = (await read('backhaul-agent.service')).replace('@BINARY@', '/usr/bin/backhaul-agent')
  const deb = {
    name: 'backhaul-agent',
    version,
    architecture,
    depends: linkedWith,
    summary: 'serves files of this machine to a Backhaul server',
    description: [
      'It asks the server for work over plain outbound HTTP and sends what is asked',
      'for, within what this machine shares: nothing listens for the outside.',
      '',
      '"backhaul-agent service install" tells it its server and what to share.',
    ],
    copyright: await licencesOf('agent/main.ts'),
    files: [
      { path: '/usr/bin/backhaul-agent', mode: 0o755, content: { from: executable } },
      { path: '/usr/lib/systemd/system/backhaul-agent.service', content: unit },
      { path: '/usr/share/lintian/overrides/backhaul-agent', content: await read('debian/lintian-overrides') },
      {
        path: '/etc/backhaul-agent/agent.env',
        mode: 0o600,
        content: await read('debian/agent.env'),
        setting: true,
      },
    ],
    scripts: {
      postinst: await read('debian/postinst'),
      prerm: await read('debian/prerm'),
      postrm: await read('debian/postrm'),
    },
  }
  await makeDeb(deb, join(folder, name))
  return name
}
