# shellcheck shell=bash disable=SC2034
# MongoDB 6 as a replica set of one, for the tests, on loopback.

MONGOD=$CACHE/mongodb/fiftyone/db/bin/mongod
MONGO_PORT=27017

mongodb_ok() { listening $MONGO_PORT && replset hello; }
replset() { python3 "$ROOT/scripts/lib/replset.py" "$1" "127.0.0.1:$MONGO_PORT"; }
mongodb_packages() {
    printf '%s\n' libcurl4 liblzma5 libssl3
    python3 -m pip --version >/dev/null 2>&1 || printf '%s\n' python3 python3-pip
}
mongodb_missing() {
    printf 'MongoDB 6 or later as a replica set on 127.0.0.1:%s\tdocker run -d -p 127.0.0.1:%s:27017 --name warren-mongo mongo:6 --replSet rs0, then docker exec warren-mongo mongosh --eval "rs.initiate({_id:\\"rs0\\",members:[{_id:0,host:\\"127.0.0.1:%s\\"}]})"\n' $MONGO_PORT $MONGO_PORT $MONGO_PORT
}
mongod_binary() {
    [ -x "$MONGOD" ] || step "MongoDB's server from PyPI" pip_target "$CACHE/mongodb" "$ROOT/scripts/lib/mongodb.requirements.txt"
}
mongodb_install() {
    if ! listening $MONGO_PORT; then
        mongod_binary
        mkdir -p "$STATE/mongodb"
        # The two parameters: no diagnostic files, and expiry within a second so that tests can see it.
        start mongodb "$MONGOD" --dbpath "$STATE/mongodb" --bind_ip 127.0.0.1 --port $MONGO_PORT --nounixsocket \
            --replSet rs0 --oplogSize 64 --wiredTigerCacheSizeGB 0.25 \
            --setParameter diagnosticDataCollectionEnabled=false --setParameter ttlMonitorSleepSecs=1
        wait_until mongodb 60 listening $MONGO_PORT
    fi
    replset initiate || die "MongoDB's replica set could not be initiated" "see $LOGS/mongodb.log"
    wait_until mongodb 30 mongodb_ok
}
