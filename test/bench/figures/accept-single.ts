import { alternate, type Sides } from '../alternate.ts'
import { atLeast, type Figure } from '../figure.ts'
import { accepted } from './accept.ts'

export const acceptSingle: Figure = {
  name: 'accept-single',
  about: '202 a second at 64 callers, no worker ÷ the same door with a produce for each request',
  async measure(lab) {
    const sides: Sides = {
      unit: '202/s',
      rounds: 5,
      ours: () => accepted(lab, (ground) => lab.start('ingress', ground)),
      limit: () => accepted(lab, (ground) => lab.startLimit('single-send', ground)),
    }
    return [await alternate(lab, 'accept-single', atLeast(1.5, 2.5), sides)]
  },
}
