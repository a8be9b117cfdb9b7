import { setFlagsFromString } from 'node:v8';

/**
 * By default V8 lets the heap of a busy program double before it looks for garbage. Loads make much of it and
 * keep little: looking sooner saves a quarter of their memory.
 *
 * For a task whose modules are loaded. Node takes its own modules from a cache that goes by V8's flags: set at the
 * start, this cost every command 0.3 s.
 */
export function lookForGarbageSooner(): void {
  setFlagsFromString('--heap-growing-percent=25');
}
