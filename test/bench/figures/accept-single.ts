import { atLeast, type Figure, ratio, type Side } from '../figure.ts'
import { accepted } from './accept.ts'

export const acceptSingle: Figure = {
  name: 'accept-single',
  about: '202 a second at 64 callers, no worker ÷ the same door with a produce for each request',
  async measure(lab) {
    const ours: number[] = []
    const limit: number[] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      ours.push(await accepted(lab, (ground) => lab.start('ingress', ground)))
      limit.push(await accepted(lab, (ground) => lab.startLimit('single-send', ground)))
      lab.say(`round ${round}: ${Math.round(ours.at(-1)!)} beside ${Math.round(limit.at(-1)!)} a second`)
    }
    const perSecond = (values: number[]): Side => ({ unit: '202/s', values })
    return [ratio('accept-single', atLeast(1.5, 2.5), perSecond(ours), perSecond(limit))]
  },
}
