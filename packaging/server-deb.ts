import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { linkedWith, makeDeb } from './deb.ts'
import { licencesOf } from './licences.ts'
import { platforms, type Platform } from './platforms.ts'
import { projectFolder, version } from './project.ts'

const read = (name: string): Promise<string> => readFile(join(projectFolder, 'packaging/server', name), 'utf8')

/**
 * The server as a Debian package, made from its executable.
 * @param folder where it goes @returns its name there
 */
export async function makeServerDeb({
  executable,
  platform,
  folder,
}: {
  executable: string
  platform: Platform
  folder: string
}): Promise<string> {
  const architecture = platforms[platform].debian
  const name = `backhaul-server_${version}_${architecture}.deb`
  const unit = async (file: string): Promise<{ path: string; content: string }> => ({
    path: `/usr/lib/systemd/system/${file}`,
    content: await read(file),
  })
  const deb = {
    name: 'backhaul-server',
    version,
    architecture,
    // systemd makes the user and the folders.
    depends: `${linkedWith}, systemd (>= 247)`,
    summary: 'fetches files from machines that nobody can reach',
    description: [
      'Agents at sites behind NAT and firewalls ask it for work over plain outbound',
      'HTTP, and send what is asked for; it verifies files and hands them out.',
      '',
      'Its configuration is in /etc/backhaul/server.env, its data in',
      '/var/lib/backhaul. backhaul-server-backup.timer, once enabled, makes a backup',
      'every day.',
    ],
    copyright: await licencesOf('server/main.ts', 'server/web/app/main.ts'),
    files: [
      { path: '/usr/bin/backhaul-server', mode: 0o755, content: { from: executable } },
      await unit('backhaul-server.service'),
      await unit('backhaul-server-backup.service'),
      await unit('backhaul-server-backup.timer'),
      { path: '/usr/share/lintian/overrides/backhaul-server', content: await read('debian/lintian-overrides') },
      { path: '/usr/lib/sysusers.d/backhaul-server.conf', content: await read('sysusers.conf') },
      { path: '/usr/lib/tmpfiles.d/backhaul-server.conf', content: await read('tmpfiles.conf') },
      { path: '/etc/backhaul/server.env', mode: 0o640, content: await read('server.env'), setting: true },
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
