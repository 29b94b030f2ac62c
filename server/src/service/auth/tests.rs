use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use jsonwebtoken::Header;

use super::sessions::Claims;
use super::*;
use crate::store::tests::stores;

async fn open(store: &Store) -> Auth {
    let life = Duration::from_secs(3600);
    Auth::open(store, &Keys::new([1; 32]), life, Some(("admin", "admin123")))
        .await
        .unwrap()
}

fn device(address: &str) -> Device {
    Device::new(address.parse().unwrap(), Some("a browser"))
}

fn home() -> Device {
    device("127.0.0.1")
}

#[tokio::test]
async fn a_session_lasts_until_it_is_ended() {
    for (store, _folder) in stores().await {
        let auth = open(&store).await;
        let token = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
        let other = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
        let session = auth.session(&token).unwrap();
        assert_eq!(session.username, "admin");
        auth.sign_out(&session).await.unwrap();
        assert_eq!(auth.session(&token), None);
        assert!(auth.session(&other).is_some(), "another session stays");
        let again = Auth::open(
            &store,
            &Keys::new([1; 32]),
            Duration::from_secs(3600),
            Some(("x", "y")),
        )
        .await
        .unwrap();
        assert_eq!(again.session(&token), None, "after a restart too");
        let session = again.session(&other).unwrap();
        assert!(
            again
                .change_password(&session, "wrong", "another-password", &home())
                .await
                .is_err()
        );
        let new = again
            .change_password(&session, "admin123", "another-password", &home())
            .await
            .unwrap();
        assert_eq!(again.session(&other), None, "a new password ends what was");
        assert!(again.session(&new.text).is_some());
        assert!(again.sign_in("admin", "admin123", &home()).await.is_err());
        assert!(again.sign_in("admin", "another-password", &home()).await.is_ok());
    }
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let (store, _folder) = stores().await.remove(0);
    let auth = open(&store).await;
    let good = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
    let admin = auth.admins().remove(0);
    let claims = |change: &dyn Fn(&mut Claims)| {
        let now = u64::try_from(Micros::now().0 / 1_000_000).unwrap();
        let mut claims = Claims {
            sub: admin.username.clone(),
            iss: ISSUER.to_owned(),
            exp: now + 60,
            iat: now,
            nbf: now,
            jti: "j".to_owned(),
            uid: admin.id,
            ver: 0,
        };
        change(&mut claims);
        claims
    };
    let sign = |algorithm, claims: &Claims, key: &EncodingKey| {
        jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap()
    };
    let key = &auth.signing;
    assert!(
        auth.session(&sign(Algorithm::HS256, &claims(&|_| ()), key))
            .is_some()
    );
    let foreign = EncodingKey::from_secret(&[2; 32]);
    for (what, token) in [
        ("another key", sign(Algorithm::HS256, &claims(&|_| ()), &foreign)),
        ("another algorithm", sign(Algorithm::HS512, &claims(&|_| ()), key)),
        (
            "expired",
            sign(Algorithm::HS256, &claims(&|claims| claims.exp -= 61), key),
        ),
        (
            "of the future",
            sign(Algorithm::HS256, &claims(&|claims| claims.nbf += 30), key),
        ),
        (
            "made in the future",
            sign(Algorithm::HS256, &claims(&|claims| claims.iat += 30), key),
        ),
        (
            "another issuer",
            sign(
                Algorithm::HS256,
                &claims(&|claims| claims.iss = "x".to_owned()),
                key,
            ),
        ),
        (
            "another name",
            sign(
                Algorithm::HS256,
                &claims(&|claims| claims.sub = "x".to_owned()),
                key,
            ),
        ),
        (
            "a removed account",
            sign(Algorithm::HS256, &claims(&|claims| claims.uid = 99), key),
        ),
        (
            "an older version",
            sign(Algorithm::HS256, &claims(&|claims| claims.ver = -1), key),
        ),
        ("a megabyte", "x".repeat(1 << 20)),
        ("nothing", String::new()),
    ] {
        assert_eq!(auth.session(&token), None, "{what}");
    }
    let body = good.split('.').nth(1).unwrap();
    let signature = good.split('.').nth(2).unwrap();
    for head in [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"None","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"alg":["HS256"],"typ":"JWT"}"#,
        r#"{"typ":"JWT"}"#,
    ] {
        let head = BASE64_URL_SAFE_NO_PAD.encode(head);
        for signature in ["", signature] {
            assert_eq!(
                auth.session(&format!("{head}.{body}.{signature}")),
                None,
                "{head}"
            );
        }
    }
    // A signature by what an attacker may take for a public key is one by another key.
    let public = EncodingKey::from_secret(b"-----BEGIN PUBLIC KEY-----");
    assert_eq!(
        auth.session(&sign(Algorithm::HS256, &claims(&|_| ()), &public)),
        None
    );
}

#[tokio::test]
async fn sessions_are_listed_seen_and_ended_one_by_one() {
    for (store, _folder) in stores().await {
        let auth = open(&store).await;
        auth.add("ann", "ann's password").await.unwrap();
        let agent = "Mozilla/5.0\r\n".to_owned() + &"x".repeat(500);
        let phone = Device::new("::ffff:10.0.0.7".parse().unwrap(), Some(&agent));
        let first = auth.sign_in("admin", "admin123", &phone).await.unwrap().text;
        let second = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
        let hers = auth.sign_in("ann", "ann's password", &home()).await.unwrap().text;
        let mine = auth.session(&second).unwrap();
        let of = async |session: &Session| auth.sessions(session).await.unwrap();
        let listed = of(&mine).await;
        assert_eq!(listed.len(), 2, "those of others are not shown");
        assert_eq!(listed[0].id, mine.id, "newest first");
        assert_eq!(listed[1].address, "10.0.0.7");
        assert_eq!(listed[1].user_agent.len(), 200);
        assert!(!listed[1].user_agent.contains('\n'));

        let before = listed[1].last_seen_at;
        let other = auth.session(&first).unwrap();
        assert!(of(&mine).await[1].last_seen_at > before, "before it is written");
        assert_eq!(store.sessions().await.unwrap()[2].last_seen_at, before);
        auth.write_seen().await.unwrap();
        assert!(store.sessions().await.unwrap()[2].last_seen_at > before);

        let ann = auth.session(&hers).unwrap();
        assert!(auth.end_session(&ann, &mine.id).await.is_err(), "another's");
        assert!(auth.end_session(&mine, "nothing").await.is_err());
        auth.end_session(&mine, &other.id).await.unwrap();
        assert!(!auth.lasts(&other) && auth.lasts(&mine));
        assert_eq!(auth.session(&first), None);
        assert!(auth.end_session(&mine, &other.id).await.is_err(), "it is over");
        let third = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
        auth.end_others(&mine).await.unwrap();
        assert_eq!(auth.session(&third), None);
        assert!(auth.session(&second).is_some() && auth.session(&hers).is_some());
        assert_eq!(of(&mine).await.len(), 1);

        auth.sign_out(&mine).await.unwrap();
        assert_eq!(auth.session(&second), None);
        let restarted = open(&store).await;
        assert_eq!(restarted.session(&first), None, "after a restart too");
        let left = store.sessions().await.unwrap();
        assert_eq!(left.len(), 1);
        auth.set_password(ann.admin_id, "another password").await.unwrap();
        assert!(
            store.sessions().await.unwrap().is_empty(),
            "a new password ends them"
        );
    }
}

#[tokio::test]
async fn expired_sessions_are_swept() {
    for (store, _folder) in stores().await {
        let auth = open(&store).await;
        let token = auth.sign_in("admin", "admin123", &home()).await.unwrap();
        let other = auth.sign_in("admin", "admin123", &home()).await.unwrap();
        auth.sign_out(&auth.session(&other.text).unwrap()).await.unwrap();
        auth.sweep().await.unwrap();
        assert_eq!(store.sessions().await.unwrap().len(), 1);
        let later = Micros::now().after(token.life + Duration::from_secs(1));
        assert_eq!(store.sweep_sessions(later).await.unwrap(), 2, "the ended one too");
        assert!(store.ended_sessions().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_a_command_changed_counts_at_the_next_sign_in() {
    for (store, _folder) in stores().await {
        let auth = open(&store).await;
        let token = auth.sign_in("admin", "admin123", &home()).await.unwrap().text;
        let command = Auth::open(&store, &Keys::new([0; 32]), Duration::from_secs(1), None)
            .await
            .unwrap();
        let id = command.admins().first().unwrap().id;
        command.set_password(id, "from the command").await.unwrap();
        command.add("ann", "ann's password").await.unwrap();
        assert!(auth.sign_in("ann", "ann's password", &home()).await.is_ok());
        assert!(auth.sign_in("admin", "admin123", &home()).await.is_err());
        assert!(auth.sign_in("admin", "from the command", &home()).await.is_ok());
        auth.reload().await.unwrap();
        assert_eq!(auth.session(&token), None);
    }
}

#[tokio::test]
async fn who_guesses_elsewhere_does_not_shut_the_owner_out() {
    let (store, _folder) = stores().await.remove(0);
    let auth = open(&store).await;
    let there = device("192.0.2.1");
    auth.sign_in("admin", "admin123", &home()).await.unwrap();
    for place in 0..20 {
        let elsewhere = device(&format!("198.51.100.{place}"));
        let _ = auth.sign_in("admin", "guess", &elsewhere).await;
    }
    let refused = auth.sign_in("admin", "admin123", &there).await;
    assert!(
        matches!(refused, Err(Fault::TooMany(_))),
        "from many networks, yet one account: {refused:?}"
    );
    assert!(auth.sign_in("admin", "admin123", &home()).await.is_ok());
}

#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let (store, _folder) = stores().await.remove(0);
    let auth = open(&store).await;
    let stored = auth.admins().remove(0).password_hash;
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    // A machine that does other things makes single times longer, and none shorter.
    for round in 0..60 {
        let started = std::time::Instant::now();
        assert!(!auth.verify("guess", Some(&stored)).await.unwrap());
        known = known.min(started.elapsed());
        let (name, from) = (format!("nobody {round}"), device(&format!("192.0.2.{round}")));
        let started = std::time::Instant::now();
        assert!(auth.sign_in(&name, "guess", &from).await.is_err());
        unknown = unknown.min(started.elapsed());
        if round > 3 && unknown < known * 2 && known < unknown * 2 {
            return;
        }
    }
    panic!("{known:?} for a wrong password, {unknown:?} for an unknown name");
}

#[test]
fn a_wrong_name_costs_what_a_wrong_password_does() {
    let cost = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
    assert_eq!(cost(DECOY), cost(&hash("a password").unwrap()));
    assert!(PasswordHash::new(DECOY).is_ok(), "else it is not even tried");
    assert!(!verify("a password", DECOY) && !verify("", DECOY));
}
