#!/usr/bin/env node
// The starter: runs program.js, which stands beside it, with the code cache that the build has made.
import { join } from 'node:path'
import { loadProgram, nodeOf } from './code-cache.ts'

const file = join(__dirname, 'program.js')
// Node reads the source map of no file that it has not loaded itself.
if (process.sourceMapsEnabled) require(file)
else loadProgram(file, nodeOf(process)).run(require)
