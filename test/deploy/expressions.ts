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

/** The metrics that an expression of Prometheus asks for. */
export function selectorsIn(expression: string): Selector[] {
  const found = expression.matchAll(/\b((?:registrar|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)
  return Array.from(found, ([, metric, conditions = '']) => ({
    metric: metric!,
    matchers: Array.from(
      conditions.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g),
      ([, label, operator, value]) => ({
        label: label!,
        operator: operator as Matcher['operator'],
        value: value!,
      }),
    ),
  }))
}

/** The labels that an expression groups by. */
export function groupingIn(expression: string): string[] {
  return Array.from(expression.matchAll(/\bby \(([^)]*)\)/g), ([, labels]) => labels!.split(/,\s*/)).flat()
}

/** The labels that a text for people names: of a legend, or of an alert. */
export function labelsNamedIn(text: string): string[] {
  return Array.from(text.matchAll(/\{\{\s*(?:\$labels\.)?(?!end\b)(\w+)\s*\}\}/g), ([, label]) => label!)
}
