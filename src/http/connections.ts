import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/** How long the last answers may take to be given. */
const LAST_ANSWERS_MS = 1_000

/**
 * Lets go of the connections of a server that closes. Node waits for each of them that it does not count as idle, and
 * its own limits of time end when the closing begins: half a request would hold up the end for ever.
 */
export function connectionsOf(server: Server, refuse: (socket: Socket) => void) {
  /** Of each connection the last request, where there was one. */
  const open = new Map<Socket, Exchange | undefined>()
  let isClosing = false

  server.on('connection', (socket) => {
    if (isClosing) return void socket.destroy()
    open.set(socket, undefined)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', (request, response) => {
    open.set(request.socket, { request, response })
    const { socket } = request
    const letGo = () => {
      if (isClosing && isIdle(open.get(socket))) socket.destroySoon()
    }
    response.once('close', letGo)
    request.once('close', letGo) // what was answered before it had come to its end
  })

  return {
    /** Ends those that have no request in hand, or only the beginning of its head, and each other one when it has none. */
    close() {
      isClosing = true
      for (const [socket, exchange] of open) if (isIdle(exchange)) socket.destroy()
    },

    /** Refuses the requests that are not here whole by now, and lets go of the others soon after. */
    giveUp() {
      for (const [socket, exchange] of open) if (exchange?.request.complete === false) refuse(socket)
      setTimeout(() => {
        for (const socket of open.keys()) socket.destroy()
      }, LAST_ANSWERS_MS).unref()
    },
  }
}

/** Whether all that came was answered: of several requests on one connection, the last one is answered last. */
function isIdle(exchange: Exchange | undefined): boolean {
  return !exchange || (exchange.request.complete && exchange.response.writableFinished)
}
