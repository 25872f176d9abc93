import { buildJavaPrograms } from './java.ts'
import { installPythonPackages } from './python.ts'

/** Before the first test: whatever the programs in other languages need is there. */
export default async function setup() {
  await buildJavaPrograms()
  await installPythonPackages()
}
