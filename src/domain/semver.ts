/** Strict SemVer 2.0.0, from semver.org: no `v`, no leading zeros. */
export const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/

/**
 * Below zero when `a` comes before `b`: the precedence of semver.org §11, and between versions that it holds for
 * equal, the order of the bytes of their build metadata, none first. Zero only for one and the same text.
 */
export function compareVersions(a: string, b: string): number {
  return compareParts(partsOf(a), partsOf(b))
}

/** These in their order, the highest version first. */
export function highestFirst<T extends { version: string }>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, parts: partsOf(item.version) }))
    .sort((a, b) => compareParts(b.parts, a.parts))
    .map(({ item }) => item)
}

type Parts = ReturnType<typeof partsOf>

function compareParts(a: Parts, b: Parts): number {
  return (
    compareIdentifiers(a.core, b.core) ||
    comparePrereleases(a.prerelease, b.prerelease) ||
    compareTexts(a.build, b.build)
  )
}

export function isVersion(text: string): boolean {
  return SEMVER.test(text)
}

export function isPrerelease(version: string): boolean {
  return partsOf(version).prerelease !== ''
}

/** The three parts of a version; what it does not have is empty. */
function partsOf(version: string) {
  const [, core = '', prerelease = '', build = ''] = /^([^-+]*)(?:-([^+]*))?(?:\+(.*))?$/s.exec(version) ?? []
  return { core, prerelease, build }
}

/** A release comes after all its pre-releases. */
function comparePrereleases(a: string, b: string): number {
  if (a === '' || b === '') return Number(a === '') - Number(b === '')
  return compareIdentifiers(a, b)
}

/** Dotted identifiers, the first that differ decide; where one list begins with all of the other, the longer is higher. */
function compareIdentifiers(a: string, b: string): number {
  const [left, right] = [a.split('.'), b.split('.')]
  for (const [n, identifier] of left.entries()) {
    const other = right[n]
    if (other === undefined) return 1
    const order = compareIdentifier(identifier, other)
    if (order !== 0) return order
  }
  return left.length - right.length
}

/** Numbers below texts, and among themselves by value, however many digits they have. */
function compareIdentifier(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [NUMBER.test(a), NUMBER.test(b)]
  if (isNumber && isOtherNumber) return a.length - b.length || compareTexts(a, b)
  return Number(isOtherNumber) - Number(isNumber) || compareTexts(a, b)
}

const NUMBER = /^\d+$/

/** By their bytes: a version is ASCII. */
function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
