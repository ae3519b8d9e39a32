import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError } from '../../shared/errors.ts'
import { missing, pieces, totalLength, union, type Range } from '../../shared/ranges.ts'
import { pause } from '../../shared/wait.ts'
import { sessionRequest } from '../contract/drafts.ts'
import { openDomain } from './domain.ts'
import { sha256Of } from './folder.ts'
import type { Harm, Life, Step } from './life.ts'
import { until } from './until.ts'

interface Version {
  source: string
  bytes: Buffer
}
interface Sent {
  attempt: number
  range: Range
  agent: number
  harm: Harm
}

/** An awaited step may wait for one that is gated: then the next one comes after this many ms. */
const PATIENCE = 30

/** Lives a life in `folder`, and checks after each step what must always hold. @returns the download's last status */
export async function live(folder: string, clientId: string, { policy, sizes, steps }: Life): Promise<string> {
  let open = await openDomain(folder)
  const versions = sizes.map((size, index): Version => ({ source: `v${index}`, bytes: randomBytes(size) }))
  const sessions: string[] = []
  /** The version that each attempt holds. */
  const held = new Map<number, Version>()
  const acknowledged: Sent[] = []
  const sent: Sent[] = []
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  const gates = new Set<{ open: () => void; breakOff: () => void }>()
  /** Counts what makes the chunks of before worthless, as soon as it was answered. */
  let era = 0

  const takeOver = async (): Promise<void> => {
    const request = sessionRequest(clientId, `instance-${String(sessions.length).padStart(12, '0')}`)
    const { session } = await open.domain.sessions.begin(request)
    sessions.push(session)
    era += 1
  }
  await takeOver()
  const id = (await open.domain.downloads.create({ clientId, policy }))[0]?.id ?? ''
  const agentOf = ({ agent: ago }: { agent: number }): number => Math.max(0, sessions.length - 1 - ago)
  const current = () => open.domain.downloads.find(id)

  /** Refusals are part of life; mistakes of the server are not. */
  const unlessRefused = <T>(work: Promise<T>): Promise<T | undefined> =>
    work.catch((error: unknown) => {
      if (isAppError(error) && error.code !== 'internal') return undefined
      throw error
    })

  const begin = async (agent: number, version: Version): Promise<void> => {
    const request = { source: version.source, size: version.bytes.byteLength }
    const begun = await unlessRefused(open.domain.attempts.begin(id, sessions[agent] ?? '', request))
    if (!begun) return
    const { attempt } = begun.download
    if (attempt > Math.max(0, ...held.keys())) era += 1
    assert.equal(held.get(attempt)?.source ?? version.source, version.source)
    held.set(attempt, version)
  }

  const put = async (one: Sent, gated = false): Promise<void> => {
    const { attempt, range, agent, harm } = one
    const version = held.get(attempt)
    if (!version) return
    sent.push(one)
    const bytes = version.bytes.subarray(range.start, range.end)
    const arriving = Buffer.from(bytes)
    if (harm === 'damaged') arriving[0] = (arriving[0] ?? 0) ^ 1
    const begunIn = era
    let endedIn = era
    const gone = new AbortController()
    const gate = Promise.withResolvers<void>()
    gate.promise.catch(() => undefined)
    const door = {
      open() {
        endedIn = era
        gate.resolve()
      },
      breakOff() {
        gone.abort(new AppError('range-invalid', 'The caller has gone.'))
        gate.reject(gone.signal.reason)
      },
    }
    if (gated) gates.add(door)
    else gate.resolve()
    const request = {
      id,
      session: sessions[agent] ?? '',
      attempt,
      range: { ...range, total: version.bytes.byteLength },
      digest: sha256Of(harm === 'other digest' ? Buffer.from('other') : bytes),
      body: (signal: AbortSignal) => body(arriving, harm, gate.promise, signal),
      signal: gone.signal,
    }
    const taken = await unlessRefused(open.domain.uploads.put(request).then(() => true))
    gates.delete(door)
    if (!taken) return
    acknowledged.push(one)
    // One that another has brought already is acknowledged whatever its own body was.
    const { start, end } = range
    if (sent.some((other) => other !== one && other.attempt === attempt && sameRange(other.range, { start, end })))
      return
    assert.deepEqual([harm, begunIn], ['none', endedIn])
  }

  const settle = async (): Promise<void> => {
    while (running.size > 0) {
      for (const gate of gates) gate.open()
      await Promise.race(running)
    }
  }

  const restart = async (): Promise<void> => {
    open.domain.waiting.stop()
    for (const gate of gates) gate.breakOff()
    await Promise.all(running)
    await open.close()
    open = await openDomain(folder)
  }

  const complete = async (agent: number, honest: boolean): Promise<void> => {
    const { attempt } = await current()
    const bytes = held.get(attempt)?.bytes
    if (!bytes) return
    const request = { attempt, size: bytes.byteLength, sha256: sha256Of(honest ? bytes : Buffer.from('other')) }
    const { signal } = new AbortController()
    await unlessRefused(open.domain.completion.complete(id, sessions[agent] ?? '', request, signal))
  }

  /** What must hold at every moment. */
  const check = async (): Promise<void> => {
    if (failures.length > 0) throw failures[0]
    const before = [...acknowledged]
    const { status, attempt, source, name, sha256, verified } = await current()
    const bytes = held.get(attempt)?.bytes
    if (status === 'completed' && name !== null) {
      const file = await readFile(open.stores.bytes.location(name))
      assert.deepEqual(
        { same: bytes && file.equals(bytes), sha256, verified },
        {
          same: true,
          sha256: sha256Of(file),
          verified: true,
        },
      )
    }
    if (!bytes || source === null || status === 'completed' || status === 'cancelled') return
    const rows = await open.stores.jobs.chunksFrom(id, attempt, 0, 1000)
    const received = union(rows)
    assert.equal(totalLength(rows), totalLength(received))
    const part = await readFile(join(folder, 'downloads', '.incoming', `${id}.${attempt}.part`)).catch(() => undefined)
    const now = await current()
    // Ended or discarded while it was read.
    if (now.attempt !== attempt || now.source === null || now.status === 'completed') return
    const wrong = received.filter(({ start, end }) => !part?.subarray(start, end).equals(bytes.subarray(start, end)))
    const mine = before.filter((one) => one.attempt === attempt)
    const lost = mine.filter(
      ({ range }) => !received.some(({ start, end }) => start <= range.start && range.end <= end),
    )
    assert.deepEqual({ wrong, lost }, { wrong: [], lost: [] })
  }

  const act = async (step: Step): Promise<void> => {
    switch (step.do) {
      case 'put': {
        const { attempt } = await current()
        const size = held.get(attempt)?.bytes.byteLength ?? 0
        const range = { start: step.start, end: Math.min(step.start + step.length, size) }
        const one = { attempt, range, agent: agentOf(step), harm: step.harm }
        if (range.start < range.end) await put(one, step.gated)
        return
      }
      case 'put again': {
        const one = sent[step.which % Math.max(1, sent.length)]
        if (one) await put({ ...one, agent: agentOf(step) })
        return
      }
      case 'begin':
        return begin(agentOf(step), versions[step.version] as Version)
      case 'complete':
        return complete(agentOf(step), step.honest)
      case 'take over':
        return takeOver()
      case 'cancel':
        if (await unlessRefused(open.domain.downloads.cancel(id))) era += 1
        return
      case 'fail':
        await unlessRefused(open.domain.downloads.fail(id, sessions.at(-1), { code: 'io-error' }))
        return
      case 'retry':
        await unlessRefused(open.domain.downloads.retry(id))
        return
      default:
        await (step.do === 'settle' ? settle() : restart())
    }
  }

  const start = (step: Step): Promise<void> => {
    const work: Promise<void> = act(step)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(work))
    running.add(work)
    return work
  }

  const runStep = async ({ step, awaited }: Life['steps'][number]): Promise<void> => {
    if (step.do === 'settle' || step.do === 'restart') await act(step)
    else {
      const ended = start(step)
      if (awaited) await Promise.race([ended, pause(PATIENCE)])
    }
    await check()
  }

  /** Whatever has happened: an agent that comes now brings the file in. */
  const bringIn = async (): Promise<string> => {
    await settle()
    await takeOver()
    const agent = sessions.length - 1
    for (let tries = 0; tries < 3; tries += 1) {
      // A restart goes on with what was being verified; another digest than the source's sends it back.
      await until('the verification to end', async () => (await current()).status !== 'verifying')
      await unlessRefused(open.domain.downloads.retry(id))
      const { status, attempt } = await current()
      if (status === 'cancelled' || status === 'completed') break
      await begin(agent, held.get(attempt) ?? (versions[0] as Version))
      const now = await current()
      const holes = missing(
        await open.stores.jobs.received(id, now.attempt),
        held.get(now.attempt)?.bytes.byteLength ?? 0,
      )
      const ranges = holes.flatMap((hole) => [...pieces(hole, 333)])
      await Promise.all(ranges.map((range) => put({ attempt: now.attempt, range, agent, harm: 'none' })))
      await complete(agent, true)
      await check()
    }
    return (await current()).status
  }

  try {
    await begin(0, versions[0] as Version)
    for (const one of steps) await runStep(one)
    return await bringIn()
  } finally {
    for (const gate of gates) gate.breakOff()
    await Promise.allSettled(running)
    await open.close()
  }
}

const sameRange = (a: Range, b: Range): boolean => a.start === b.start && a.end === b.end

/** The body of a chunk, whose second half comes once the gate is open. */
async function* body(bytes: Buffer, harm: Harm, gate: Promise<void>, signal: AbortSignal): AsyncGenerator<Buffer[]> {
  const whole = harm === 'short' ? bytes.subarray(0, -1) : harm === 'long' ? Buffer.concat([bytes, bytes]) : bytes
  const half = Math.floor(whole.byteLength / 2)
  yield [whole.subarray(0, half)]
  if (harm === 'cut') throw new AppError('range-invalid', 'The connection broke before the body was whole.')
  await Promise.race([gate, new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))])
  if (signal.aborted) throw signal.reason
  yield [whole.subarray(half)]
}
