export { startDeliver, type DeliverLoop, type DelivererOptions, type DeliverMetrics } from './deliverer.ts';
export { targetProblem, type TargetPolicy } from './targets.ts';
