import type { BufferEntry, Envelope, Position } from './buffer.ts';

// A key holds all that must be known without touching the value, so that opening a buffer of a gigabyte reads keys
// only: position (8 bytes, big-endian, hence in order), size of the value (4), time received (6).
const keySize = 18;

// A value is: version (1 byte), length of the envelope (4), the envelope as JSON, the body as it came.
const version = 1;
const valueHeaderSize = 5;

export type EntryKey = { position: Position; size: number; receivedAt: number };

export function encodeKey({ position, size, receivedAt }: EntryKey): Buffer {
  const key = Buffer.allocUnsafe(keySize);
  key.writeBigUInt64BE(BigInt(position), 0);
  key.writeUInt32BE(size, 8);
  key.writeUIntBE(receivedAt, 12, 6);
  return key;
}

export function decodeKey(key: Buffer): EntryKey {
  return {
    position: Number(key.readBigUInt64BE(0)),
    size: key.readUInt32BE(8),
    receivedAt: key.readUIntBE(12, 6),
  };
}

/** A key that sorts after every entry up to and including `position`, and before all later ones. */
export function keyAfter(position: Position): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(position) + 1n, 0);
  return key;
}

export function encodeValue(envelope: Envelope, body: Uint8Array): Buffer {
  const head = JSON.stringify(envelope);
  const headSize = Buffer.byteLength(head);
  const value = Buffer.allocUnsafe(valueHeaderSize + headSize + body.length);
  value[0] = version;
  value.writeUInt32BE(headSize, 1);
  value.write(head, valueHeaderSize);
  value.set(body, valueHeaderSize + headSize);
  return value;
}

export function decodeEntry(position: Position, value: Buffer): BufferEntry {
  if (value[0] !== version) {
    throw new Error(
      `The buffer holds an entry of form ${value[0]}; this collector reads form ${version} only`,
    );
  }
  const bodyStart = valueHeaderSize + value.readUInt32BE(1);
  const envelope = JSON.parse(value.toString('utf8', valueHeaderSize, bodyStart)) as Envelope;
  return { position, envelope, body: value.subarray(bodyStart), size: value.length - bodyStart };
}
