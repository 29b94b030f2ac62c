use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;
use crate::store::tests::stores;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn auth(store: &Store) -> Auth {
    let life = Duration::from_secs(3600);
    Auth::open(store, &Keys::new([1; 32]), life, ("admin", "admin123"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_session_lasts_until_it_is_ended() {
    for (store, _folder) in stores().await {
        let auth = auth(&store).await;
        let token = auth.sign_in("admin", "admin123", HOME).await.unwrap().text;
        let other = auth.sign_in("admin", "admin123", HOME).await.unwrap().text;
        let session = auth.session(&token).unwrap();
        assert_eq!(session.username, "admin");
        auth.sign_out(&session).await.unwrap();
        assert_eq!(auth.session(&token), None);
        assert!(auth.session(&other).is_some(), "another session stays");
        let again = Auth::open(&store, &Keys::new([1; 32]), Duration::from_secs(3600), ("x", "y"))
            .await
            .unwrap();
        assert_eq!(again.session(&token), None, "after a restart too");
        let session = again.session(&other).unwrap();
        assert!(
            again
                .change_password(&session, "wrong", "another-password")
                .await
                .is_err()
        );
        let new = again
            .change_password(&session, "admin123", "another-password")
            .await
            .unwrap();
        assert_eq!(again.session(&other), None, "a new password ends what was");
        assert!(again.session(&new.text).is_some());
        assert!(again.sign_in("admin", "admin123", HOME).await.is_err());
        assert!(again.sign_in("admin", "another-password", HOME).await.is_ok());
    }
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let (store, _folder) = stores().await.remove(0);
    let auth = auth(&store).await;
    let good = auth.sign_in("admin", "admin123", HOME).await.unwrap().text;
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
    let none = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let body = good.split('.').nth(1).unwrap();
    assert_eq!(auth.session(&format!("{none}.{body}.")), None, "alg none");
}

#[tokio::test]
async fn guessing_is_limited_by_account_and_by_network() {
    let (store, _folder) = stores().await.remove(0);
    let auth = auth(&store).await;
    let mut refused = 0;
    for _ in 0..12 {
        match auth.sign_in("admin", "guess", HOME).await {
            Err(Fault::TooMany(_)) => refused += 1,
            Err(Fault::Unauthorized(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 2);
    assert!(matches!(
        auth.sign_in("admin", "admin123", HOME).await,
        Err(Fault::TooMany(_))
    ));
}

#[tokio::test]
async fn imported_passwords_are_hashed_anew_at_the_first_sign_in() {
    let (store, _folder) = stores().await.remove(0);
    let old = bcrypt::hash("from-before", 4).unwrap();
    let id = store.add_admin("ann", &old).await.unwrap().id;
    let auth = auth(&store).await;
    auth.sign_in("ann", "from-before", HOME).await.unwrap();
    let ann = auth.admins().into_iter().find(|admin| admin.id == id).unwrap();
    assert!(ann.password_hash.starts_with("$argon2id$"));
    auth.sign_in("ann", "from-before", HOME).await.unwrap();
}

#[test]
fn a_wrong_name_costs_what_a_wrong_password_does() {
    let cost = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
    assert_eq!(cost(DECOY), cost(&hash("a password").unwrap()));
    assert!(PasswordHash::new(DECOY).is_ok(), "else it is not even tried");
    assert!(!verify("a password", DECOY) && !verify("", DECOY));
}
