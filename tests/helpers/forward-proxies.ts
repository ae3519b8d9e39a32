import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { startOnFreePort, type Program } from './programs.ts'

export interface Login {
  user: string
  password: string
}

/** tinyproxy, for everybody on this machine or for one user. */
export function startTinyproxy(login?: Login): Promise<Program> {
  return startOnFreePort({
    command: 'tinyproxy',
    args: (folder) => ['-d', '-c', join(folder, 'tinyproxy.conf')],
    files: ({ host, port, folder }) => ({
      'tinyproxy.conf': [
        `Listen ${host}`,
        `Port ${port}`,
        `LogFile "${folder}/log"`,
        'LogLevel Connect',
        'MaxClients 100',
        'Timeout 600',
        `Allow ${host}`,
        login ? `BasicAuth ${login.user} ${login.password}` : '',
        '',
      ].join('\n'),
    }),
  })
}

/** squid, for everybody on this machine or for one user. */
export function startSquid(login?: Login): Promise<Program> {
  return startOnFreePort({
    command: 'squid',
    args: (folder) => ['-N', '-f', join(folder, 'squid.conf')],
    files: ({ host, port, folder }) => ({
      ...(login ? { users: `${login.user}:${hashed(login.password)}\n` } : {}),
      'squid.conf': [
        `http_port ${host}:${port}`,
        'visible_hostname proxy.test',
        'pid_filename none',
        `access_log stdio:${folder}/log`,
        `cache_log ${folder}/cache.log`,
        `coredump_dir ${folder}`,
        'cache deny all',
        'pinger_enable off',
        'max_filedescriptors 1024',
        ...(login
          ? [
              `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${folder}/users`,
              'acl known proxy_auth REQUIRED',
              'http_access allow known',
              'http_access deny all',
            ]
          : ['http_access allow all']),
        '',
      ].join('\n'),
    }),
  })
}

function hashed(password: string): string {
  const made = spawnSync('openssl', ['passwd', '-apr1', '-stdin'], { input: `${password}\n`, encoding: 'utf8' })
  return made.stdout.trim()
}
