#include "actors/resident_list.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct ResidentList : testing::Test {
    using fate = resident_list::fate;
    using lines = std::vector<std::string>;
    static constexpr resident_list::owner first{3, 1}, next{3, 2}, other{4, 1};

    static std::vector<client_info> clients(const std::vector<std::string>& names) {
        std::vector<client_info> made;
        for (const auto& each : names) made.push_back({each, "user of " + each, {}, {}});
        return made;
    }
    // "+ann" and "-ann"
    static lines told(const std::vector<resident_list::news>& all) {
        lines made;
        for (const auto& each : all) {
            EXPECT_EQ(each.who.user, "user of " + each.who.client);
            made.push_back(each.group + (each.what == event::kind::join ? " +" : " -") + each.who.client);
        }
        return made;
    }
    lines all(const resident_list::owner& of, const std::string& group, const std::vector<std::string>& who) {
        return told(list.came(of, {group, true, clients(who), {}}));
    }
    lines some(const std::string& group, const std::vector<std::string>& came,
               std::vector<std::string> left) {
        return told(list.came(first, {group, false, clients(came), std::move(left)}));
    }
    lines changed(fate what) {
        return told(list.owners_changed([&](const auto&, const auto&) { return what; }));
    }

    resident_list list;
};

TEST_F(ResidentList, WhoIsThereWhenItsNodeDiesHasLeftOnce) {
    EXPECT_THAT(all(first, "a", {"ann", "bob"}), IsEmpty());
    EXPECT_THAT(some("a", {"cid"}, {"ann"}), IsEmpty());
    EXPECT_THAT(changed(fate::owner), IsEmpty());
    EXPECT_THAT(changed(fate::gone), ElementsAre("a -bob", "a -cid"));
    EXPECT_THAT(changed(fate::gone), IsEmpty());
    EXPECT_THAT(changed(fate::other), IsEmpty());
    EXPECT_EQ(list.size(), 0u);
}

TEST_F(ResidentList, ThoseOfAProcessThatAnotherOneReplacedHaveLeft) {
    all(first, "a", {"ann"});
    EXPECT_THAT(changed(fate::other), ElementsAre("a -ann"));
    EXPECT_THAT(all(next, "a", {"ann"}), IsEmpty()) << "these are the next one's";
}

TEST_F(ResidentList, TheMembersOfANodeThatLivesAreItsNextOwnersBusiness) {
    all(first, "a", {"ann"});
    EXPECT_THAT(changed(fate::moved), IsEmpty());
    EXPECT_THAT(changed(fate::gone), IsEmpty());
    EXPECT_EQ(list.size(), 0u);
}

TEST_F(ResidentList, WhoLeftWhileTheLinkWasDownIsKnownByTheListBehindIt) {
    all(first, "a", {"ann", "bob"});
    EXPECT_THAT(all(first, "a", {"bob", "cid"}), ElementsAre("a -ann"));
    EXPECT_THAT(all(first, "a", {}), ElementsAre("a -bob", "a -cid"));
}

TEST_F(ResidentList, WhoseNodeWasOnlyCutOffIsBackWithIt) {
    all(first, "a", {"ann", "bob"});
    EXPECT_THAT(changed(fate::gone), ElementsAre("a -ann", "a -bob"));
    EXPECT_THAT(all(first, "a", {"bob", "cid"}), ElementsAre("a +bob")) << "ann left, cid was not there";
    EXPECT_THAT(changed(fate::gone), ElementsAre("a -bob", "a -cid"));
}

TEST_F(ResidentList, OwnersAndGroupsAreApart) {
    all(first, "a", {"ann"});
    all(first, "b", {"bob"});
    all(other, "a", {"cid"});
    const auto gone = list.owners_changed(
        [&](const auto&, const auto& who) { return who == other ? fate::gone : fate::owner; });
    EXPECT_THAT(told(gone), ElementsAre("a -cid"));
    list.emptied("a");
    EXPECT_THAT(changed(fate::gone), ElementsAre("b -bob"));
}

}  // namespace
}  // namespace madang
