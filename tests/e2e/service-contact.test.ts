import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askStatus, lookForContact, waitForContact } from '../../agent/service/contact.ts'
import { toLine, type Systemd, type UnitState } from '../../agent/service/systemd.ts'
import type { Running } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

describe('whether the agent of a service has reached its server', () => {
  let stack: Stack
  let agent: Running
  let port: string
  const unit: UnitState = {
    active: 'active',
    result: 'success',
    exitStatus: '0',
    since: '',
    restarts: 0,
    words: '',
    invocation: 'x',
  }

  /** As systemd tells it of an agent that runs here: its state, and what it has printed. */
  const around = (running: Running, state: Partial<UnitState> = {}): Systemd => ({
    control: () => Promise.reject(new Error('nothing is controlled here')),
    state: () => Promise.resolve({ ...unit, ...state }),
    lines: () => Promise.resolve(running.output().split('\n').filter(Boolean).map(toLine)),
  })

  beforeAll(async () => {
    stack = await startStack()
    agent = await stack.online('till', ['--port', '0'])
    // The server knows of the session a moment before the agent does.
    await agent.line((line) => line['msg'] === 'connected')
    port = String((await agent.line((line) => String(line['msg']).startsWith('status on')))['port'])
  })
  afterAll(() => stack.stop())

  test('is told by the agent itself, and by none of another site', async () => {
    expect(await askStatus(port, 'till')).toMatchObject({ connected: true, server: stack.url })
    expect(await askStatus(port, 'another')).toBeUndefined()
    expect(await askStatus('1', 'till')).toBeUndefined()
    expect(await askStatus('off', 'till')).toBeUndefined()
  })

  test('is told by its words to systemd, where nothing answers on its port', async () => {
    const isConnected = async (words: string): Promise<boolean> =>
      (await lookForContact({ systemd: around(agent, { words }), port: 'off', clientId: 'till' })).connected
    expect(await isConnected(`connected to ${stack.url}, one file under way`)).toBe(true)
    // It has begun a session, as its log says; the line may be dead since then.
    expect(await isConnected(`no answer from ${stack.url}, trying again`)).toBe(false)
    const ended = around(agent, { active: 'failed' })
    const contact = await waitForContact({ systemd: ended, port: 'off', clientId: 'till' }, 60_000)
    expect([contact.connected, contact.unit.active]).toEqual([false, 'failed'])
    expect(contact.lines.map(({ msg }) => msg)).toContain('agent starting')
  })

  test('an agent that reaches nobody is not connected, and its words say why', async () => {
    const lost = stack.agent('lost', ['--server', 'http://127.0.0.1:1'])
    await lost.line((line) => String(line['msg']).includes('ECONNREFUSED'))
    const contact = await waitForContact({ systemd: around(lost), port: 'off', clientId: 'lost' }, 1)
    expect(contact.connected).toBe(false)
    expect(contact.lines.at(-1)?.msg).toContain('ECONNREFUSED')
    expect(toLine('no JSON')).toEqual({ msg: 'no JSON' })
  })
})
