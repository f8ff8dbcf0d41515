# Sidekiq as its users write it: a worker, one POST a job on a connection that its thread keeps, the link into a hash
# that expires.
#
# ruby sidekiq_links.rb          enqueues
# sidekiq -r ./sidekiq_links.rb  works
# Environment: REDIS_PORT, API_URL, CONDUCTOR_SECRET_KEY, JOBS
require 'json'
require 'net/http'
require 'sidekiq'
require 'time'

REDIS = { url: "redis://127.0.0.1:#{ENV.fetch('REDIS_PORT')}/0" }.freeze
Sidekiq.configure_client { |config| config.redis = REDIS }
Sidekiq.configure_server do |config|
  config.redis = REDIS
  config.logger.level = Logger::WARN
end

# One end user, one link.
class LinkWorker
  include Sidekiq::Worker
  sidekiq_options retry: 12

  URI_OF_SESSIONS = URI("#{ENV.fetch('API_URL')}/auth-sessions")
  HEADERS = { 'Authorization' => "Bearer #{ENV.fetch('CONDUCTOR_SECRET_KEY')}",
              'Content-Type' => 'application/json' }.freeze

  def perform(end_user_id)
    session = create_session(end_user_id)
    raise 'not the session that was asked for' unless
      session['endUserId'] == end_user_id && session['authFlowUrl'].start_with?('https://connect.conductor.is/')

    store(end_user_id, session)
  end

  private

  def http
    Thread.current[:api] ||= Net::HTTP.start(URI_OF_SESSIONS.host, URI_OF_SESSIONS.port)
  end

  def create_session(end_user_id)
    body = { publishableKey: 'pk_conductor_fake', endUserId: end_user_id, linkExpiryMins: 30 }
    answer = http.post(URI_OF_SESSIONS.path, JSON.generate(body), HEADERS)
    raise "status #{answer.code}" unless answer.code == '200'

    JSON.parse(answer.body)
  end

  def store(end_user_id, session)
    key = "authlink:session:#{end_user_id}"
    life_sec = (Time.iso8601(session['expiresAt']) - Time.iso8601(session['createdAt'])).to_i
    Sidekiq.redis do |redis|
      redis.pipelined do |pipeline|
        pipeline.hset(key, 'status', 'ready', 'endUserId', end_user_id, 'sessionId', session['id'],
                      'authFlowUrl', session['authFlowUrl'], 'createdAt', session['createdAt'],
                      'expiresAt', session['expiresAt'])
        pipeline.expire(key, life_sec)
      end
    end
  end
end

if $PROGRAM_NAME == __FILE__
  ids = (0...Integer(ENV.fetch('JOBS'))).map { |number| format('end_usr_%07d', number) }
  ids.each_slice(1000) { |part| Sidekiq::Client.push_bulk('class' => LinkWorker, 'args' => part.map { |id| [id] }) }
end
