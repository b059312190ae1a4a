#include "actors/job_mail.hpp"

#include <gtest/gtest.h>

#include "actors/job_away.hpp"
#include "broker/core/errors.hpp"

namespace madang {
namespace {

using namespace std::string_literals;
namespace parcels = job_parcels;

std::string mail_of(const job_parcel& what) {
    std::string mail;
    append(mail, what);
    return mail;
}

const std::vector<job_parcel>& one_of_each() {
    static const std::vector<job_parcel> all{
        parcels::call{7, job_verb::next_fires, "body"},
        parcels::answer{7, 503, "detail"},
        parcels::worker_came{1},
        parcels::worker_said{1, "bytes"},
        parcels::worker_took{1, 5},
        parcels::worker_left{1},
        parcels::answers_read{6},
        parcels::worker_told{1, "more"},
        parcels::worker_read{1, 4},
        parcels::worker_closed{1},
        parcels::move_word{"rows"},
        parcels::worker_retires{1},
        parcels::adopter_said{9, "word"},
        parcels::adopter_told{9, 100, "busy"},
    };
    return all;
}

TEST(JobMail, HasTheseBytes) {
    EXPECT_EQ(mail_of(parcels::call{258, job_verb::find, "b"}), "\1\0\16\0\0\0\2\1\0\0\0\0\0\0\2\1\0\0\0b"s);
    EXPECT_EQ(mail_of(parcels::worker_closed{3}), "\1\11\10\0\0\0\3\0\0\0\0\0\0\0"s);
    EXPECT_EQ(mail_of(parcels::move_word{"t"}), "\1\12\5\0\0\0\1\0\0\0t"s);
}

TEST(JobMail, GivesBackEveryParcelInItsOrder) {
    ASSERT_EQ(one_of_each().size(), std::variant_size_v<job_parcel>);
    std::string mail;
    for (const auto& each : one_of_each()) append(mail, each);
    const auto back = read_job_mail(mail);
    ASSERT_TRUE(back);
    ASSERT_EQ(back->size(), one_of_each().size());
    std::string again;
    for (std::size_t i = 0; i < back->size(); ++i) {
        EXPECT_EQ((*back)[i].index(), i);
        append(again, (*back)[i]);
    }
    EXPECT_EQ(again, mail);
}

TEST(JobMail, RefusesWhatIsCutOff) {
    for (const auto& each : one_of_each()) {
        const auto mail = mail_of(each);
        for (std::size_t size = 0; size < mail.size(); ++size)
            EXPECT_EQ(read_job_mail(std::string_view(mail).substr(0, size)).has_value(), size == 1)
                << each.index() << " " << size;  // 1: a mail without parcels
    }
}

TEST(JobMail, NamesTheParcelThatIsMalformed) {
    EXPECT_EQ(read_job_mail("").error().detail, "version");
    EXPECT_EQ(read_job_mail("\0"s).error().detail, "version");
    EXPECT_EQ(read_job_mail("\1\0\xff\xff\xff\xff"s).error().detail, "length");
    EXPECT_EQ(read_job_mail("\1\11\1\0\0\0\3"s).error().detail, "worker_closed");
    auto verb = mail_of(parcels::call{1, job_verb::find, ""});
    verb[14] = static_cast<char>(static_cast<int>(job_verb::next_fires) + 1);
    EXPECT_EQ(read_job_mail(verb).error().detail, "call");
}

TEST(JobMail, SkipsWhatALaterVersionSays) {
    auto mail = "\2\xf0\3\0\0\0new"s;
    append(mail, parcels::worker_left{5});
    mail[10] = 12;  // that parcel has more members there
    mail += "more";
    append(mail, parcels::worker_came{6});
    const auto back = read_job_mail(mail);
    ASSERT_TRUE(back) << back.error();
    ASSERT_EQ(back->size(), 2u);
    EXPECT_EQ(std::get<parcels::worker_left>((*back)[0]).stream, 5u);
    EXPECT_EQ(std::get<parcels::worker_came>((*back)[1]).stream, 6u);
}

struct told {
    std::uint32_t code = 1;
    std::string body;
    int times = 0;
    job_away::tell hear() {
        return [this](std::uint32_t c, std::string b) {
            code = c;
            body = std::move(b);
            ++times;
        };
    }
};

TEST(JobAway, TellsEachWhatItAskedFor) {
    job_away away;
    told one, two;
    const auto first = away.ask(job_verb::find, "a", one.hear());
    const auto second = away.ask(job_verb::list, "b", two.hear());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(second->what, job_verb::list);
    EXPECT_EQ(second->body, "b");
    EXPECT_NE(first->ticket, second->ticket);
    away.came({second->ticket, 0, "B"});
    EXPECT_EQ(two.code, 0u);
    EXPECT_EQ(two.body, "B");
    EXPECT_EQ(one.times, 0);
    away.came({second->ticket, 0, "again"});
    away.came({999, 0, "nobody's"});
    EXPECT_EQ(two.times, 1);
    EXPECT_EQ(away.waiting(), 1u);
}

TEST(JobAway, WhoWaitsForANodeThatIsGoneIsToldOnce) {
    job_away away;
    told one;
    const auto call = away.ask(job_verb::enqueue, "", one.hear());
    away.lost();
    EXPECT_EQ(one.code, describe(errc::busy).wire_code);
    away.came({call->ticket, 0, "late"});
    EXPECT_EQ(one.times, 1);
    EXPECT_EQ(away.waiting(), 0u);
}

TEST(JobAway, RefusesMoreThanItsBound) {
    job_away away(2);
    told all[3];
    EXPECT_TRUE(away.ask(job_verb::find, "", all[0].hear()));
    EXPECT_TRUE(away.ask(job_verb::find, "", all[1].hear()));
    EXPECT_FALSE(away.ask(job_verb::find, "", all[2].hear()));
    EXPECT_EQ(all[2].code, describe(errc::busy).wire_code);
    EXPECT_EQ(away.waiting(), 2u);
}

}  // namespace
}  // namespace madang
