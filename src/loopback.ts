import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Whether only this machine reaches what listens at a host. A name that could be any machine's does not count. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  return family === 0
    ? address.toLowerCase() === 'localhost'
    : loopback.check(address, family === 6 ? 'ipv6' : 'ipv4')
}
