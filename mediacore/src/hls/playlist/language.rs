//! Languages as playlists name them (RFC 5646).

use crate::codec::Language;

/// The two-letter code (ISO 639-1) when the language has one, else the three letters: RFC 5646 asks for the shortest.
pub(super) fn tag(language: &Language) -> &str {
    let code = language.as_str();
    let row = CODES
        .as_bytes()
        .chunks_exact(5)
        .position(|row| row.starts_with(code.as_bytes()));
    let short = row.and_then(|row| CODES.get(row * 5 + 3..row * 5 + 5));
    short.unwrap_or(code)
}

/// Rows of three letters (ISO 639-2, both of its codes where it has two) and the two letters for them, in order.
const CODES: &str = "\
    aaraaabkabafrafakaakalbsqamhamaraararganarmhyasmasavaavaveaeaymayazeazbakbabambmbaqeubelbebenbnbihbh\
    bisbibodbobosbsbrebrbulbgburmycatcacescschachchecechizhchucuchvcvcorkwcoscocrecrcymcyczecsdandadeude\
    divdvdutnldzodzellelengenepoeoesteteuseueweeefaofofasfafijfjfinfifrafrfrefrfryfyfulffgeokagerdeglagd\
    glegaglgglglvgvgreelgrngngujguhaththauhahbsshhebheherhzhinhihmohohrvhrhunhuhyehyiboigiceisidoioiiiii\
    ikuiuileieinaiaindidipkikislisitaitjavjvjpnjakalklkanknkaskskatkakaukrkazkkkhmkmkikkikinrwkirkykomkv\
    konkgkorkokuakjkurkulaololatlalavlvlimlilinlnlitltltzlblubluluglgmacmkmahmhmalmlmaomimarmrmaymsmkdmk\
    mlgmgmltmtmonmnmrimimsamsmyamynaunanavnvnblnrndendndongnepnenldnlnnonnnobnbnornonyanyociocojiojorior\
    ormomossospanpaperfaplipipolplporptpuspsquequrohrmronrorumrorunrnrusrusagsgsansasinsislksksloskslvsl\
    smesesmosmsnasnsndsdsomsosotstspaessqisqsrdscsrpsrsswsssunsuswaswswesvtahtytamtatatttteltetgktgtgltl\
    thathtibbotirtitontotsntntsotstuktkturtrtwitwuigugukrukurduruzbuzvenvevievivolvowelcywlnwawolwoxhoxh\
    yidyiyoryozhazazhozhzulzu";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_their_shortest_code() {
        assert_eq!(CODES.len() % 5, 0);
        for (code, expected) in [
            ("eng", "en"),
            ("fra", "fr"),
            ("fre", "fr"),
            ("deu", "de"),
            ("aar", "aa"),
            ("zul", "zu"),
            ("ace", "ace"),
            ("nga", "nga"),
        ] {
            assert_eq!(tag(&Language::new(code)), expected, "{code}");
        }
    }
}
