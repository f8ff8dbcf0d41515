-- What wrk sends: the daemon's own request, for one end user again and again.
wrk.method = 'POST'
wrk.body = '{"publishableKey":"pk_conductor_fake","endUserId":"end_usr_000001","linkExpiryMins":30}'
wrk.headers['Authorization'] = 'Bearer sk_conductor_fake'
wrk.headers['Content-Type'] = 'application/json'
