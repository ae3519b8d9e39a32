/** Whether a text has no control characters and no half of a surrogate pair: no terminal obeys it, and every store can keep it. */
export const isPlainText = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text)
