/** What a waiter can be woken for. */
export const clientTopic = (clientId: string): string => `client:${clientId}`
/** A token or a credential was revoked, or may have been. */
export const accessTopic = (id: string): string => `access:${id}`
/** A download's status or attempt changed. */
export const downloadTopic = (id: string): string => `download:${id}`
/** More of a download's bytes are durable. */
export const bytesTopic = (id: string): string => `bytes:${id}`
