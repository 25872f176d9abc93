declare module 'snappyjs' {
  /** One block, without a frame. */
  export function compress(bytes: Buffer): Buffer
}

declare module 'lz4js' {
  /** One frame. */
  export function compress(bytes: Uint8Array): Uint8Array
}
