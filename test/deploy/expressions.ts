import { parser } from '@prometheus-io/lezer-promql'

/** A condition on a label, as it stands in a selector. */
export interface Matcher {
  label: string
  operator: '=' | '!=' | '=~' | '!~'
  value: string
}

/** A metric that an expression asks for, with the conditions on its labels. */
export interface Selector {
  metric: string
  matchers: Matcher[]
}

type Node = ReturnType<typeof parser.parse>['topNode']
type Labels = ReadonlySet<string>

/** The metrics that an expression of Prometheus asks for: every name in it that is no function, word or label. */
export function selectorsIn(expression: string): Selector[] {
  const { root, text } = parsed(expression)
  return within(root, 'VectorSelector').map((selector) => ({
    metric: text(selector.getChild('Identifier')!),
    matchers: within(selector, 'UnquotedLabelMatcher').map((matcher) => ({
      label: text(matcher.getChild('LabelName')!),
      operator: text(matcher.getChild('MatchOp')!) as Matcher['operator'],
      value: text(matcher.getChild('StringLiteral')!).slice(1, -1),
    })),
  }))
}

/** Of each aggregation in an expression, the labels that it groups by. */
export function groupingsIn(expression: string): string[][] {
  const { root, text } = parsed(expression)
  return within(root, 'AggregateExpr').map((aggregation) => grouping(aggregation, text))
}

/**
 * The labels of what an expression results in, where its metrics have those that `known` answers. Throws where it groups
 * by a label that it does not have there, or matches sides by labels that are not those of both: these never meet.
 */
export function labelsOf(expression: string, known: (metric: string) => Labels): Labels {
  const { root, text } = parsed(expression)
  return ofNode(root)

  function ofNode(node: Node): Labels {
    if (node.name === 'VectorSelector') return known(text(node.getChild('Identifier')!))
    if (node.name === 'BinaryExpr') return ofBinary(node)
    const all = new Set(children(node).flatMap((child) => [...ofNode(child)]))
    if (node.name === 'AggregateExpr') return required(grouping(node, text), all, node)
    if (node.name !== 'FunctionCall') return all
    switch (text(node.getChild('FunctionIdentifier')!)) {
      case 'absent':
        return new Set()
      case 'histogram_quantile':
        return all.difference(required(['le'], all, node))
      default:
        return all
    }
  }

  function ofBinary(node: Node): Labels {
    const [left, right] = [node.firstChild!, node.lastChild!]
    const [ofLeft, ofRight] = [ofNode(left), ofNode(right)]
    if (node.getChild('Or')) return ofLeft.intersection(ofRight)
    if (within(left, 'VectorSelector').length === 0) return ofRight
    if (within(right, 'VectorSelector').length === 0) return ofLeft
    const on = within(node.getChild('MatchingModifierClause'), 'LabelName').map(text)
    for (const side of [ofLeft, ofRight]) required(on.length > 0 ? on : [...ofLeft, ...ofRight], side, node)
    return ofLeft
  }

  function required(labels: readonly string[], from: Labels, node: Node): Labels {
    for (const label of labels) if (!from.has(label)) throw new Error(`No label ${label} in ${text(node)}`)
    return new Set(labels)
  }
}

/** The labels that a text for people names: of a legend, or of an alert. */
export function labelsNamedIn(text: string): string[] {
  return Array.from(text.matchAll(/\{\{\s*(?:\$labels\.)?(?!end\b)(\w+)\s*\}\}/g), ([, label]) => label!)
}

function parsed(expression: string) {
  const plain = expression.replaceAll('$__rate_interval', '5m') // Grafana puts in a time
  const text = ({ from, to }: Node) => plain.slice(from, to)
  const root = parser.parse(plain).topNode
  for (const name of ['⚠', 'Without', 'Ignoring', 'QuotedLabelMatcher'])
    for (const node of within(root, name)) throw new Error(`Not understood: ${text(node)} in ${expression}`)
  return { root, text }
}

function grouping(aggregation: Node, text: (node: Node) => string): string[] {
  return within(aggregation.getChild('AggregateModifier'), 'LabelName').map(text)
}

function children(node: Node): Node[] {
  const all: Node[] = []
  for (let child = node.firstChild; child; child = child.nextSibling) all.push(child)
  return all
}

/** This node and all below it of that name. */
function within(node: Node | null, name: string): Node[] {
  if (!node) return []
  const below = children(node).flatMap((child) => within(child, name))
  return node.name === name ? [node, ...below] : below
}
