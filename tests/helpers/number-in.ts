import { InvalidArgumentError } from 'commander'

/** A parser of a number in [min, max], for an option of a command. */
export const numberIn =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
  }
