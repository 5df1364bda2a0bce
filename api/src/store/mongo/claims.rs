//! Claims as documents of the collection `claims`.

use mongodb::Collection;
use mongodb::bson::{self, DateTime, Document, doc};
use mongodb::error::Error as MongoError;
use serde::Deserialize;
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

use super::super::{Claim, ClaimKey, Fingerprint};
use super::codes::is_duplicate;
use super::document::{from_bson, to_bson};

/// How many times to try a key that is claimed and released by others in between.
const LOOKS: usize = 8;

/// A document of the collection without its `_id`, which is the key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimFields {
    fingerprint: String,
    job_id: String,
    due_at: DateTime,
    lapses_at: DateTime,
}

/// Claims a key. Returns `None` if it is ours now, else the claim that has it.
pub(super) async fn claim(
    claims: Collection<Document>,
    claim: &Claim,
    instead_of: Option<JobId>,
) -> Result<Option<Document>, MongoError> {
    let key = claim.key.as_str();
    let job = claim.job.to_string();
    let fields = doc! {
        "fingerprint": claim.fingerprint.as_str(),
        "jobId": &job,
        "dueAt": to_bson(claim.due_at),
        "lapsesAt": to_bson(claim.lapses_at),
    };
    let mut gives_way = vec![doc! { "lapsesAt": { "$lte": to_bson(EpochMillis::now()) } }];
    gives_way.extend(instead_of.map(|job| doc! { "jobId": job.to_string() }));
    let mut looks = LOOKS;
    loop {
        let mut ours = doc! { "_id": key };
        ours.extend(fields.clone());
        match claims.insert_one(ours).await {
            Ok(_inserted) => return Ok(None),
            Err(error) if is_duplicate(&error) => {}
            Err(error) => return Err(error),
        }
        let old = doc! { "_id": key, "$or": gives_way.clone() };
        let replaced = claims.update_one(old, doc! { "$set": fields.clone() });
        if replaced.await?.matched_count == 1 {
            return Ok(None);
        }
        looks -= 1;
        match claims.find_one(doc! { "_id": key }).await? {
            // From our own earlier attempt whose answer was lost.
            Some(found) if found.get_str("jobId").is_ok_and(|found| found == job) => {
                return Ok(None);
            }
            Some(theirs) => return Ok(Some(theirs)),
            None if looks == 0 => {
                return Err(MongoError::custom("claimed and released on every attempt"));
            }
            // Released between our insert and our look.
            None => {}
        }
    }
}

pub(super) async fn release(
    claims: Collection<Document>,
    key: &ClaimKey,
    job: JobId,
) -> Result<(), MongoError> {
    let ours = doc! { "_id": key.as_str(), "jobId": job.to_string() };
    claims.delete_one(ours).await.map(drop)
}

pub(super) fn read(
    key: &ClaimKey,
    document: Document,
) -> Result<Claim, Box<dyn std::error::Error + Send + Sync>> {
    let fields: ClaimFields = bson::deserialize_from_document(document)?;
    Ok(Claim {
        key: key.clone(),
        fingerprint: Fingerprint::from_store(fields.fingerprint),
        job: fields.job_id.parse()?,
        due_at: from_bson(fields.due_at),
        lapses_at: from_bson(fields.lapses_at),
    })
}
