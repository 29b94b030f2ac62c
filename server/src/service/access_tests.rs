use super::*;
use crate::service::codes::NewCode;
use crate::service::events::Events;
use crate::store::Store;
use crate::store::codes::CodeChange;
use crate::store::tests::stores;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn category(store: &Store, name: &str) -> i64 {
    store.add_category(name, 0).await.unwrap().id
}

fn code(text: &str, categories: &[i64]) -> NewCode {
    NewCode {
        text: text.to_owned(),
        is_active: true,
        expires_at: None,
        category_ids: categories.to_vec(),
    }
}

#[tokio::test]
async fn a_code_opens_its_categories_until_it_is_taken_back() {
    for (store, _folder) in stores().await {
        let keys = Keys::new([1; 32]);
        let codes = Arc::new(Codes::open(&store, &Events::default(), &keys).await.unwrap());
        let access = Access::new(&codes, &keys);
        let (a, b) = (category(&store, "a").await, category(&store, "b").await);
        assert!(access.viewer(false, &[]).may_open(Some(a)), "no code covers it");
        let first = codes.add(code("AAAAAA", &[a])).await.unwrap();
        codes.add(code("BBBBBB", &[b])).await.unwrap();
        assert_eq!(first.text, "AAAAAA");
        assert_eq!(access.viewer(false, &[]).shut(), [a, b]);
        assert!(access.viewer(true, &[]).may_open(Some(a)));

        assert!(
            access.enter("aaaaaa", None, HOME).await.unwrap().is_none(),
            "case matters"
        );
        let unlock = access.enter("AAAAAA", None, HOME).await.unwrap().unwrap();
        let both = access
            .enter("BBBBBB", Some(&unlock.token), HOME)
            .await
            .unwrap()
            .unwrap()
            .token;
        let of = |token: &str| access.viewer(false, &access.codes_of(Some(token), None, HOME).unwrap());
        assert_eq!(of(&unlock.token).shut(), [b]);
        assert_eq!(of(&both).shut(), [0_i64; 0]);
        let mut forged = both.clone().into_bytes();
        forged[3] ^= 1;
        assert_eq!(of(&String::from_utf8(forged).unwrap()).shut(), [a, b]);

        let change = CodeChange {
            is_active: Some(false),
            ..CodeChange::default()
        };
        codes.change(first.row.id, change).await.unwrap();
        assert_eq!(of(&both).shut(), [a], "at once, and locked for everybody");
        let past = CodeChange {
            is_active: Some(true),
            expires_at: Some(Some(Micros(1))),
            ..CodeChange::default()
        };
        codes.change(first.row.id, past).await.unwrap();
        assert_eq!(of(&both).shut(), [a], "expired");
        let again = Codes::open(&store, &Events::default(), &keys).await.unwrap();
        assert_eq!(
            again.list().await.unwrap().last().unwrap().text,
            "AAAAAA",
            "administrators see it"
        );
        assert_eq!(again.list().await.unwrap().last().unwrap().row.use_count, 1);
    }
}

#[tokio::test]
async fn guessing_codes_is_limited() {
    let (store, _folder) = stores().await.remove(0);
    let keys = Keys::new([1; 32]);
    let codes = Arc::new(Codes::open(&store, &Events::default(), &keys).await.unwrap());
    let access = Access::new(&codes, &keys);
    let category = category(&store, "a").await;
    codes.add(code("AAAAAA", &[category])).await.unwrap();
    for _ in 0..40 {
        assert!(
            access.enter("AAAAAA", None, HOME).await.unwrap().is_some(),
            "a hall full of people comes by one address"
        );
    }
    let mut refused = 0;
    for _ in 0..25 {
        refused += usize::from(access.enter("GUESS1", None, HOME).await.is_err());
    }
    assert_eq!(refused, 5);
    for text in ["GUESS2", "AAAAAA"] {
        assert!(
            access.codes_of(None, Some(text), HOME).is_err(),
            "nor by the header, and a right one looks like a wrong one"
        );
        assert!(access.enter(text, None, HOME).await.is_err());
    }
    let elsewhere = "192.0.2.1".parse().unwrap();
    assert_eq!(access.codes_of(None, Some("AAAAAA"), elsewhere).unwrap().len(), 1);
}
