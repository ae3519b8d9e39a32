import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Run } from '../../agent/service/run.ts'
import { uninstall } from '../../agent/service/daemon/uninstall.ts'
import { createScheduler } from '../../agent/service/windows/manager.ts'
import { temporaryFolder } from '../helpers/folder.ts'

let folder: string
let remove: () => Promise<void>
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterEach(() => remove())

describe('the folders on Windows', () => {
  const before = process.cwd()
  afterEach(() => process.chdir(before))
  // Here a path of Windows is one name.
  const names = ['', '\\state', '\\logs'].map((name) => `C:\\ProgramData\\Backhaul Agent${name}`)
  const [config = '', state = ''] = names
  let planted: string | undefined
  const recorded: Run = async () => {
    if (planted !== undefined) await writeFile(planted, 'ROOTS=C:\\')
    return ''
  }
  const managerHere = () => {
    process.chdir(folder)
    return createScheduler({ env: {}, command: recorded })
  }

  test('are made once, and are gone with the service', async () => {
    const manager = managerHere()
    for (let time = 0; time < 2; time += 1) {
      await manager.checkFolders()
      await manager.protect()
      for (const name of names) expect((await stat(name)).isDirectory()).toBe(true)
    }
    const executable = 'c:\\program files\\Backhaul Agent\\backhaul-agent.exe'
    await expect(uninstall({ manager, executable, say: () => undefined })).rejects.toThrow('cannot remove itself')
    expect((await stat(config)).isDirectory()).toBe(true)
    for (const name of [state, names[2] ?? '']) await rm(name, { recursive: true })
    await uninstall({ manager, executable: 'D:\\agent.exe', say: () => undefined })
    expect(await readdir(folder)).toEqual([])
  })

  test('are not taken from anybody else', async () => {
    const manager = managerHere()
    await mkdir(config)
    await writeFile(join(config, 'agent.env'), 'ROOTS=C:\\')
    await expect(manager.checkFolders()).rejects.toThrow('Remove it')
    await expect(manager.protect()).rejects.toThrow('Remove it')
    await rm(config, { recursive: true })
    // Between the making of the folder and its rights.
    planted = join(config, 'agent.env')
    await expect(manager.protect()).rejects.toThrow('Remove it')
    planted = undefined
    await rm(config, { recursive: true })
    await manager.protect()
    // The service may make one of its own folder.
    await rm(state, { recursive: true })
    await symlink(folder, state)
    await expect(manager.protect()).rejects.toThrow('is a link')
  })
})
