//! What a rule is, and the lists of words that shape a sentence.

use super::Intent::{
    self, BugFix, CodeEdit, CodeReview, Documentation, Question, Refactor, TestGeneration,
};

/// Where the words of a rule must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// First words of a sentence that does not ask, politeness apart.
    Lead,
    /// Anywhere; counts less inside a question.
    Anywhere,
    /// Anywhere, with full weight inside a question too.
    Phrase,
    /// Like `Anywhere`, and more when a verb leads that says nothing by itself: "add" with
    /// "tests" is about tests.
    Object,
}

/// Whether a list of words separated by spaces has this one.
pub(super) fn listed(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// One row.
pub(super) struct Rule {
    /// Lower-case words separated by one space.
    pub(super) words: &'static str,
    pub(super) place: Place,
    pub(super) intent: Intent,
    pub(super) weight: f64,
}

pub(super) const fn lead(words: &'static str, intent: Intent, weight: f64) -> Rule {
    Rule { words, place: Place::Lead, intent, weight }
}

pub(super) const fn any(words: &'static str, intent: Intent, weight: f64) -> Rule {
    Rule { words, place: Place::Anywhere, intent, weight }
}

pub(super) const fn phrase(words: &'static str, intent: Intent, weight: f64) -> Rule {
    Rule { words, place: Place::Phrase, intent, weight }
}

pub(super) const fn object(words: &'static str, intent: Intent, weight: f64) -> Rule {
    Rule { words, place: Place::Object, intent, weight }
}

/// Verbs that need their object to say what is wanted, as stems.
pub(super) const NEUTRAL_VERBS: &str = "add creat writ extend improv provid generat updat fix \
    correct mak put increas rais chang complet includ need prepar rewrit mention clarify translat \
    adding explain produc set";

/// First words of a sentence that tells rather than orders.
pub(super) const TELLING: &str = "the a an our my your their his her this that these those there \
    it its i we they he she you in on at since when after if while some many all every each \
    sometimes users customers people everybody nobody something yesterday";

/// Words that make a sentence a statement.
pub(super) const FINITE: &str = "is are was were isn't aren't wasn't weren't has have had does \
    doesn't don't did didn't can't cannot won't gets shows goes becomes seems happens looks stays \
    returns causes leads takes appears comes sends";

pub(super) const QUESTION_WORDS: &str = "how what what's why where where's who who's which when is are was were does do did can could \
    should would will has have am any";

/// Prefixes that only ask for the thing to be done, separated by commas.
pub(super) const POLITE: &str = "please,pls,kindly,hi,hello,hey,can you,could you,would you,will you,can we,\
    could we,could somebody,can somebody,i want you to,i want to,i would like to,\
    i'd like to,i would like you to,i need you to,i need to,we need to,we have to,\
    we should,we want to,we must,let's,let us,you should,you must,help me,help me to,\
    now,also,then,just,and,goal,task,todo,so";

/// Words worth correcting.
pub(super) const MISSPELLED: &str = "write test tests review error refactor rename document implement create remove update change \
    explain commit branch merge rebase documentation readme changelog";

/// Tags that people put in front of a title.
pub(super) const TAGS: &[(&str, Intent)] = &[
    ("bug fix bugfix hotfix regression crash", BugFix),
    ("feat feature fr enhancement", CodeEdit),
    ("refactor cleanup refactoring", Refactor),
    ("test tests testing", TestGeneration),
    ("doc docs documentation", Documentation),
    ("review", CodeReview),
    ("question help support", Question),
];

pub(super) const COMMANDS: &str = "ls cd cat grep rg find rm mkdir rmdir chmod chown cp mv curl wget tail head less sed awk ps \
    top df du kill echo export source ssh scp tar zip unzip npm npx yarn pnpm node python \
    python3 pip pip3 uv poetry pytest cargo rustup go make cmake mvn gradle docker docker- \
    compose kubectl helm terraform psql sqlite3 redis-cli systemctl journalctl sudo apt apt-get \
    brew bash sh touch ln which whoami env xargs sort wc diff tsc java";

pub(super) const GIT_VERBS: &str = "add am apply bisect blame branch checkout cherry-pick clean clone commit config diff fetch \
    grep init log merge mv pull push rebase reflog remote reset restore revert rm show stash \
    status submodule switch tag worktree";
