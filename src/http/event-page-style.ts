/** How the page about events looks, wide or narrow, by day and by night. */
export const EVENT_PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --text: light-dark(#1c2530, #d9e0e8);
  --faint: light-dark(#5a6672, #94a1af);
  --line: light-dark(#dde3ea, #303a46);
  --ground: light-dark(#ffffff, #12171d);
  --raised: light-dark(#f5f7fa, #1a2129);
  --accent: light-dark(#0b63b5, #6cb6ff);
  --strong: light-dark(#a3470a, #f0a868);
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 1rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 72rem;
  background: var(--ground); color: var(--text);
  font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { margin: 1rem 0 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 3rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.4rem; }
h3 { margin: 0 0 .5rem; font-size: 1.15rem; }
h4 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.4rem; }
a { color: var(--accent); }
small, dt, .address { color: var(--faint); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: .8rem 1rem; max-width: none; list-style: none; }
nav, section { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; }
nav { margin: 1.5rem 0; }
nav ul { margin: 0; }
section { margin: 1rem 0; padding: 1.2rem; }
section:target { border-color: var(--accent); }
code { font: .88em/1.5 ui-monospace, monospace; }
p code, li code, td code, dd code { padding: .1em .3em; border-radius: .25em; background: light-dark(#e9eef4, #26303b); overflow-wrap: anywhere; }
pre {
  margin: .5rem 0; padding: .9rem 1rem; overflow-x: auto;
  background: light-dark(#eef2f6, #0c1014); border: 1px solid var(--line); border-radius: .4rem;
}
table { width: 100%; border-collapse: collapse; font-size: .94rem; }
th, td { padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; }
td:first-child { width: 30%; }
td:nth-child(2) { width: 33%; }
.required { color: var(--strong); font-size: .85em; white-space: nowrap; }
.action { padding: .1rem .5rem; border: 1px solid currentcolor; border-radius: 1rem; color: var(--strong); font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0; }
dd { margin: 0; }
details { margin: .4rem 0; }
summary { cursor: pointer; }
@media (max-width: 44rem) {
  thead { display: none; }
  tbody, tr, td { display: block; }
  td, td:first-child, td:nth-child(2) { width: auto; padding: 0; border: 0; }
  td:empty, td br { display: none; }
  td small { margin-left: .5rem; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  section { padding: .9rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
@media print { nav { display: none; } }
`.trimStart()
