import { describe, expect, test } from '@jest/globals'
import stringWidth from 'string-width'
import { createBoard } from '../../cli/watch/board.ts'
import type { Change, News } from '../../cli/watch/changes.ts'
import { tableLines } from '../../cli/watch/table.ts'
import type { Download } from '../../shared/operator.ts'
import { statuses } from '../../shared/protocol.ts'
import { toldDownload as download } from '../helpers/told-download.ts'

const MIB = 1024 * 1024
const moving = (id: string, mib: number): Download =>
  download(id, { status: 'transferring', size: 100 * MIB, bytesReceived: mib * MIB, progress: mib })

const look = (changes: Change[], more: Partial<Extract<News, { kind: 'look' }>> = {}): News => ({
  kind: 'look',
  changes,
  dropped: [],
  online: 2,
  cut: { queued: false, moving: false },
  ...more,
})
const news = (value: Download, before?: Download): Change => ({ before, value, raw: value })
const view = { columns: 100, rows: 20, wanted: statuses, since: '16:20:05' }

describe('the board', () => {
  test('knows the rate of the last seconds, and how many have ended since it began', () => {
    const board = createBoard()
    board.apply(look([news(moving('a', 0)), news(download('b'))]), 0)
    expect(board.picture().moving[0]?.rate).toBeNaN()
    board.apply(look([news(moving('a', 2), moving('a', 0))]), 1000)
    expect(board.picture().moving[0]?.rate).toBe(2 * MIB)
    const failed = download('b', { status: 'failed', reason: 'locked' })
    board.apply(look([news(failed, download('b'))]), 2000)
    // Another change of one that has ended is not another end.
    board.apply(look([news({ ...failed, note: 'seen' }, failed)]), 3000)
    const { queued, ended, counts } = board.picture()
    expect([queued.length, ended.length, [...counts]]).toEqual([0, 1, [['failed', 1]]])
    // One that is asked for again is under way, and has not ended.
    board.apply(look([news(download('b'), failed)]), 4000)
    expect([board.picture().queued.length, board.picture().ended.length]).toEqual([1, 0])
  })

  test('keeps what it knew while the server is away', () => {
    const board = createBoard()
    board.apply(look([news(download('a'))]), 0)
    board.apply({ kind: 'away', error: new Error('It does not answer.') }, 1000)
    expect(board.picture()).toMatchObject({ away: 'It does not answer.', queued: [{ download: { id: 'a' } }] })
    board.apply(look([], { dropped: ['a'] }), 2000)
    expect(board.picture()).toMatchObject({ away: undefined, queued: [] })
  })
})

describe('the table', () => {
  const hostile = 'menu\u001b[2J\u202e\r\nfake line 日本語のとても長い名前のファイル売上報告書.csv'
  const board = createBoard()
  const rows = Array.from({ length: 30 }, (_, at) => moving(`export_${at}`, at))
  board.apply(look(rows.map((one) => news(one))), 0)
  board.apply(
    look(
      [
        ...rows.map((one) => news({ ...one, bytesReceived: one.bytesReceived + MIB }, one)),
        news(download('x', { path: hostile, clientId: 'x'.repeat(64) })),
        news(download('y', { status: 'failed', reason: 'not-found', detail: hostile.repeat(5) }), download('y')),
      ],
      { cut: { queued: true, moving: false } },
    ),
    1000,
  )

  test.each([1, 10, 40, 60, 80, 100, 300])('fits %d columns, however many rows there are', (columns) => {
    for (const height of [1, 2, 3, 4, 10, 24, 100]) {
      const lines = tableLines(board.picture(), { ...view, columns, rows: height })
      expect(lines.length).toBeLessThanOrEqual(height)
      for (const line of lines) {
        expect(stringWidth(line)).toBeLessThan(columns)
        expect(line).not.toMatch(/\p{Cc}|\u202e/u)
      }
    }
  })

  test('has what moves, what waits and what has ended, and says what it leaves out', () => {
    const lines = tableLines(board.picture(), { ...view, rows: 13 })
    expect(lines[0]).toBe('2 sites online   1+ queued   30 running   0 completed, 1 failed since 16:20:05')
    expect(lines[2]).toMatch(
      /^transferring {2}restaurant_1 +export_0\.csv {2}░{24} {2}0 % {4}1\.0 MiB\/s {3}1 min 39 s$/,
    )
    expect(lines[11]).toMatch(/^failed .* not-found: menu/)
    expect(lines[12]).toBe('22 more, and older ones under way')
  })

  test('shows only what is wanted', () => {
    const lines = tableLines(board.picture(), { ...view, wanted: ['failed'] })
    expect(lines.filter((line) => /^(transferring|queued)/.test(line))).toEqual([])
    expect(tableLines(board.picture(), { ...view, wanted: ['expired'] })[1]).toBe('Nothing to show.')
  })
})
