import { FileWindow } from '../../etcd-files/bbolt/file-window.js';
import {
  openSnapshot,
  openSource,
  type FileSource,
  type OpenedFile,
} from '../../etcd-files/mvcc/store-file.js';
import { lengthOf } from '../../core/temp-file.js';
import { trailerLength } from '../../etcd-files/bbolt/trailer.js';
import type { Context } from '../../core/context.js';
import type { StoreContents } from '../../at-rest/contents.js';
import type { Manifest } from '../archive/manifest.js';
import type { StoreAccess } from '../open/open.js';
import { asFerryError, asView, type FileView } from '../../at-rest/store-view.js';
import { verifyArchive } from './archive.js';
import { compareWithManifest } from './digest.js';
import { newLayers, type Finding, type LayerResult, type Layers } from './layers.js';
import { verifyMvcc } from './mvcc.js';
import { verifyPages } from './pages.js';
import { verifySensu } from './sensu.js';
import { verifyTrailer } from './trailer.js';

/** What was found out about a snapshot file, layer by layer. */
export interface FileVerification {
  readonly path: string;
  readonly kind: 'archive' | 'snapshot';
  /** Nothing is wrong in any layer. */
  readonly ok: boolean;
  /** False when no sha256 covers the file: damage to values or to unused space cannot be seen then. */
  readonly hashChecked: boolean;
  /** The first of each layer. */
  readonly findings: readonly Finding[];
  readonly layers: readonly LayerResult[];
  /** Undefined when the store cannot be read so far; the two below too. */
  readonly revision: bigint | undefined;
  /** Live keys. */
  readonly keys: number | undefined;
  /** The content digest over the lasting keys. */
  readonly digest: string | undefined;
}

/** Restores the store elsewhere and compares: `deepVerify` of src/restore, which this layer must not know. */
export type DeepCheck = (
  context: Context,
  view: FileView,
  contents: StoreContents,
  report: (what: string) => void,
) => Promise<Readonly<Record<string, number>>>;

export interface VerifyOptions {
  readonly access?: StoreAccess;
  readonly deep?: DeepCheck;
  /** Ends with the first layer that finds something: enough for a yes or a no. */
  readonly stopEarly?: boolean;
}

/**
 * Verifies an archive, an etcd snapshot or a bare `db` file: see docs/verify.md. Goes on after a finding with
 * what does not depend on it, and never holds the store in memory.
 * @throws FerryError when the file cannot be read at all (`source`, `denied`, `unreachable`): no verdict then
 */
export async function verifyFile(
  context: Context,
  path: string,
  options: VerifyOptions = {},
): Promise<FileVerification> {
  const layers = newLayers();
  try {
    const file = await verifyArchive(context, path, options.access ?? {}, layers.archive);
    try {
      const facts =
        file.plain === undefined
          ? undefined
          : await verifySnapshot(context, file.plain, layers, options, file.manifest);
      return summary(path, file.kind, layers, facts, options);
    } finally {
      file.close();
    }
  } catch (error) {
    throw asFerryError(error, path);
  }
}

async function verifySnapshot(
  context: Context,
  plain: FileSource,
  layers: Layers,
  options: VerifyOptions,
  manifest: Manifest | undefined,
): Promise<StoreContents | undefined> {
  const enough = (): boolean =>
    options.stopEarly === true && Object.values(layers).some(({ found }) => found > 0);
  if (!enough()) await verifyTrailer(plain, layers.trailer);
  if (enough()) return undefined;
  const opened = openSource(plain);
  let view: FileView | undefined;
  try {
    const window = bboltPart(opened);
    const pages = await layers.pages.look(() => verifyPages(context, window, layers.pages));
    if (pages?.readable !== true || enough()) return undefined;
    const leases = await layers.mvcc.look(() => verifyMvcc(context, window, pages, layers.mvcc));
    // What the walk has found is why the store cannot be read further.
    if (leases === undefined || enough()) return undefined;
    const { fd, path } = opened;
    const file = await layers.mvcc.look(() => openSnapshot({ fd, path }));
    if (file === undefined) return undefined;
    view = asView(file);
    const store = view;
    const contents = await layers.sensu.look(() => verifySensu(context, store, layers));
    if (contents === undefined) return undefined;
    if (manifest === undefined) layers.digest.absent();
    else {
      await layers.digest.look(() => {
        compareWithManifest(contents, manifest, layers.digest);
      });
    }
    await restoreElsewhere(context, store, contents, layers, options.deep);
    return contents;
  } finally {
    view?.close();
    opened.close();
  }
}

function bboltPart({ fd, path }: OpenedFile): FileWindow {
  const size = lengthOf(fd);
  return new FileWindow(fd, path, size - trailerLength(size));
}

/** What is known to be damaged is not worth a restore. */
async function restoreElsewhere(
  context: Context,
  view: FileView,
  contents: StoreContents,
  layers: Layers,
  deep: DeepCheck | undefined,
): Promise<void> {
  if (deep === undefined || Object.values(layers).some(({ found }) => found > 0)) return;
  await layers.restore.look(async () => {
    layers.restore.counts = await deep(context, view, contents, (what) => {
      layers.restore.find(what);
    });
  });
}

function summary(
  path: string,
  kind: FileVerification['kind'],
  layers: Layers,
  contents: StoreContents | undefined,
  { deep }: VerifyOptions,
): FileVerification {
  const asked = Object.values(layers).filter(({ layer }) => layer !== 'restore' || deep !== undefined);
  const results = asked.map((layer) => layer.result());
  const { archive, trailer } = layers;
  return {
    path,
    kind,
    ok: results.every(({ found }) => found === 0),
    hashChecked: archive.result().status === 'ok' || trailer.result().status === 'ok',
    findings: results.flatMap(({ findings }) => findings),
    layers: results,
    revision: contents?.revision,
    keys: contents?.keys,
    digest: contents?.digest.lasting,
  };
}
