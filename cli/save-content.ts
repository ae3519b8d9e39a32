import type { Download } from '../shared/operator.ts'
import type { Context } from './context.ts'
import { receive, type ReceiveOptions } from './receive.ts'
import { save, type Saved } from './save.ts'
import { fileIn, type Target } from './target.ts'

/** Saves the content of a completed download, with a bar on a terminal. @throws CliError as save and fileIn do */
export async function saveContent(context: Context, download: Download, target: Target): Promise<Saved> {
  const { api } = context
  const { id, clientId, fileName, sha256 } = download
  const name = fileName ?? `${clientId}_file`
  return saveShown(context, {
    target: target.kind === 'folder' ? await fileIn(target.path, name, target.overwrite) : target,
    label: name,
    open: (headers) => api.content(id, headers),
    expected: async () => sha256 ?? undefined,
  })
}

export interface SaveShownOptions {
  target: Target
  /** What the bar says. */
  label: string
  open: ReceiveOptions['open']
  expected: () => Promise<string | undefined>
}

/** Receives and saves with a bar, but not where the content itself goes to a terminal. */
export async function saveShown(context: Context, { target, label, open, expected }: SaveShownOptions): Promise<Saved> {
  const { screen, stdout, signal } = context
  if (target.kind === 'folder') throw new Error('a folder is not a file; fileIn() names the one in it')
  const isShown = !(target.kind === 'stdout' && screen.interactive)
  const onProgress = (received: number, size: number | undefined): void => {
    if (isShown && size !== undefined) screen.progress.update('content', label, received, size)
  }
  try {
    return await save({ target, stdout, expected, fill: (sink) => receive({ open, sink, signal, onProgress }) })
  } finally {
    screen.progress.remove('content')
  }
}
