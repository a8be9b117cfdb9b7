import { integerAt, textAt, type ApiResource } from '../../sensu/resources/api-value.js';
import { messageNamed } from '../../sensu/resources/messages.js';
import { endOfSilence, isEndless } from '../../sensu/resources/silence.js';

/**
 * The fields of a spec that stay as they are, or become what Sensu makes of them, whatever is sent. To compare them
 * would find the same change at every run.
 */
export function fieldsSetBySensu(current: ApiResource, wanted: ApiResource): readonly string[] {
  switch (wanted.type) {
    case 'User':
      return ['password', 'password_hash'];
    case 'Entity':
      // Of an entity that is there, and no proxy, Sensu takes the configuration alone: the rest is its agent's.
      return textAt(wanted.spec, 'entity_class') === 'proxy' ? [] : reportedByAgents;
    case 'Silenced':
      return setInSilence(current, wanted);
    default:
      return [];
  }
}

const reportedByAgents = messageNamed('EntityState')
  .fields.map(({ name }) => name)
  .filter((name) => name !== 'metadata');

/**
 * Its creator is whoever asks. Begin and end are reckoned where they are not given. Sensu 6.12 gives an end to a
 * silence that has none, and `putSilence` then lets it begin later.
 */
function setInSilence(current: ApiResource, wanted: ApiResource): string[] {
  const isCut = isEndless(wanted.spec) && endOfSilence(current.spec) > 0n;
  return [
    'creator',
    ...(isCut || integerAt(wanted.spec, 'begin') === 0n ? ['begin'] : []),
    ...(endOfSilence(wanted.spec) === 0n ? ['expire_at'] : []),
  ];
}
