/** Longest id of a touchpoint, in UTF-16 units. */
export const maxIdLength = 100;
/** Longest event name. */
export const maxNameLength = 100;
/** Longest value of an identity. */
export const maxValueLength = 300;
/** Largest touchpoint, as compact JSON. */
export const maxEventBytes = 128 * 1024;
/** Most touchpoints in a batch of `POST /v1/events`. */
export const maxBatchEvents = 500;
/** Largest body of `POST /v1/events`, after gunzip. */
export const maxBatchBytes = 1024 * 1024;
/** Most touchpoints in a batch of the Segment routes. */
export const maxSegmentBatchEvents = 2_500;
/** Largest body of the Segment routes, after gunzip. */
export const maxSegmentBatchBytes = 4 * 1024 * 1024;
/** A gzip body may unpack to at most this many times its size. */
export const maxGzipRatio = 100;
/** Deepest nesting of arrays and objects in a touchpoint; PostgreSQL's JSON parser has a limited stack. */
export const maxDepth = 64;
