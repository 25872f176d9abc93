/** The embedded pair cannot start (or start again); the message is one sentence for the developer. */
export class StartFailure extends Error {
  override name = 'StartFailure'
}
