// BullMQ as its users write it: a queue, a worker, one POST a job, the link into a hash that expires.
//
// bullmq.mjs enqueue | sdk | undici     (the last two: what makes the request)
// Environment: REDIS_PORT, API_URL, CONDUCTOR_SECRET_KEY, JOBS, CONCURRENCY
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/'); // the folder that npm filled
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');

const { REDIS_PORT, API_URL, CONDUCTOR_SECRET_KEY, JOBS, CONCURRENCY } = process.env;
const role = process.argv[2];
const connection = new Redis({ port: Number(REDIS_PORT), maxRetriesPerRequest: null });

async function enqueue() {
  const queue = new Queue('links', { connection });
  for (let at = 0; at < Number(JOBS); at += 1000) {
    await queue.addBulk(Array.from({ length: Math.min(1000, Number(JOBS) - at) }, (_, n) => ({
      name: 'link',
      data: { endUserId: `end_usr_${String(at + n).padStart(7, '0')}` },
      opts: { removeOnComplete: true, attempts: 12, backoff: { type: 'exponential', delay: 1000 } },
    })));
  }
  await queue.close();
  connection.disconnect();
}

function makeSdkCall() {
  const Conductor = require('conductor-node').default;
  const client = new Conductor({ apiKey: CONDUCTOR_SECRET_KEY, baseURL: API_URL });
  return (body) => client.authSessions.create(body);
}

function makeUndiciCall() {
  const { Pool } = require('undici');
  const pool = new Pool(new URL(API_URL).origin, { connections: Number(CONCURRENCY) });
  const path = new URL(API_URL).pathname + '/auth-sessions';
  const headers = { authorization: `Bearer ${CONDUCTOR_SECRET_KEY}`, 'content-type': 'application/json' };
  return async (body) => {
    const answer = await pool.request({ path, method: 'POST', headers, body: JSON.stringify(body) });
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
    return answer.body.json();
  };
}

function work(createSession) {
  const redis = new Redis({ port: Number(REDIS_PORT) });
  const worker = new Worker('links', async ({ data: { endUserId } }) => {
    const session = await createSession({ publishableKey: 'pk_conductor_fake', endUserId, linkExpiryMins: 30 });
    if (session.endUserId !== endUserId || !session.authFlowUrl.startsWith('https://connect.conductor.is/'))
      throw new Error('not the session that was asked for');
    const lifeSec = (Date.parse(session.expiresAt) - Date.parse(session.createdAt)) / 1000;
    const key = `authlink:session:${endUserId}`;
    await redis.pipeline()
      .hset(key, { status: 'ready', endUserId, sessionId: session.id, authFlowUrl: session.authFlowUrl,
        createdAt: session.createdAt, expiresAt: session.expiresAt })
      .expire(key, lifeSec)
      .exec();
  }, { connection, concurrency: Number(CONCURRENCY) });
  worker.on('failed', (job, error) => console.error(error.message));
}

if (role === 'enqueue') await enqueue();
else work(role === 'sdk' ? makeSdkCall() : makeUndiciCall());
