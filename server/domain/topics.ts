/** What a waiter can be woken for. */
export const clientTopic = (clientId: string): string => `client:${clientId}`
/** A download's status or attempt changed. */
export const downloadTopic = (id: string): string => `download:${id}`
/** More of a download's bytes are durable. */
export const bytesTopic = (id: string): string => `bytes:${id}`
