#include "storage/data_dir.hpp"

#include <gmock/gmock.h>
#include <rocksdb/db.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "storage/job_record.hpp"
#include "storage/store_tools.hpp"
#include "tests/support/store_world.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class DataDir : public testing::Test {
  protected:
    std::string refusal() {
        const auto opened = world_.try_open();
        if (opened) return "";
        EXPECT_EQ(opened.error().code, errc::invalid_option);
        EXPECT_EQ(opened.error().detail.find('\n'), std::string::npos);
        return opened.error().detail;
    }
    void write(const std::string& name, const std::string& text) {
        std::ofstream(path_ / name, std::ios::binary) << text;
    }

    temporary_folder folder_;
    const fs::path path_ = folder_.path() / "data";
    disk_world world_{path_};
};

TEST_F(DataDir, IsHeldByOneProcess) {
    world_.open();
    disk_world other(path_);
    const auto opened = other.try_open();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, HasSubstr("another process uses it"));
}

TEST_F(DataDir, ItsNumberOfShardsIsFixed) {
    world_.open();
    world_.close();
    world_.settings.shards = 99;
    world_.open();
    EXPECT_EQ(world_.limits.shards, 4u);
}

fs::perms open_to_others(const fs::path& path) {
    return fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all);
}

TEST_F(DataDir, NobodyElseLooksIntoWhatIsMade) {
    const auto mask = ::umask(022);
    world_.open();
    world_.close();
    EXPECT_EQ(open_to_others(path_), fs::perms::none);
    EXPECT_EQ(open_to_others(path_ / "db"), fs::perms::none);
    for (const auto& each : fs::directory_iterator(path_))
        EXPECT_EQ(open_to_others(each), fs::perms::none) << each.path();
    ASSERT_TRUE(back_up_store(path_, folder_.path() / "backups" / "one"));
    EXPECT_EQ(open_to_others(folder_.path() / "backups" / "one"), fs::perms::none);
    ASSERT_TRUE(restore_store(folder_.path() / "backups" / "one", folder_.path() / "again"));
    EXPECT_EQ(open_to_others(folder_.path() / "again"), fs::perms::none);
    EXPECT_EQ(open_to_others(folder_.path() / "again" / "db"), fs::perms::none);

    // Folders that somebody else made: theirs stays as it is, the database within does not.
    fs::permissions(path_, fs::perms(0755));
    fs::permissions(path_ / "db", fs::perms(0755));
    world_.open();
    EXPECT_NE(open_to_others(path_), fs::perms::none);
    EXPECT_EQ(open_to_others(path_ / "db"), fs::perms::none);
    ::umask(mask);
}

TEST_F(DataDir, ANewerFormatIsRefused) {
    world_.open();
    world_.close();
    write("format", "madang store\nformat 4\nshards 4\nwhatever follows\n");
    EXPECT_THAT(refusal(), HasSubstr("newer"));
}

TEST_F(DataDir, HalfAFolderIsRefused) {
    world_.open();
    world_.close();
    write("format", "rubbish");
    EXPECT_THAT(refusal(), HasSubstr("damaged"));
    fs::remove(path_ / "format");
    EXPECT_THAT(refusal(), HasSubstr("missing"));
    write("format", format_text(4));
    world_.open();
    world_.close();
    fs::remove_all(path_ / "db");
    EXPECT_THAT(refusal(), HasSubstr("db is missing"));
}

TEST_F(DataDir, AMakingThatWasInterruptedIsBegunAgain) {
    fs::create_directories(path_ / "db.new");
    write("db.new/rubbish", "x");
    world_.open();
    world_.close();
    fs::remove_all(path_ / "db");
    fs::remove(path_ / "progress");
    world_.open();  // between the two steps of the making
    EXPECT_EQ(as<published>(ask(*world_.it, store_request(publish("a", "x")))).at.offset, 1u);
}

TEST_F(DataDir, WhoOnlyLooksLeavesNothing) {
    const auto looked = data_dir::open(folder_.path(), 4, data_dir::access::inspect);
    ASSERT_FALSE(looked);
    EXPECT_THAT(looked.error().detail, HasSubstr("there is no store in it"));
    EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(DataDir, AFileInItsPlaceIsRefused) {
    std::ofstream(path_) << "x";
    EXPECT_THAT(refusal(), HasSubstr("name a folder"));
}

TEST_F(DataDir, IsCheckedDumpedCopiedAndRestored) {
    world_.open();
    for (int i = 0; i < 5; ++i)
        ask(*world_.it, store_request(publish("a:b", "{\"n\":" + std::to_string(i) + "}")));
    ask(*world_.it, store_request(enter("a:b", "c", "u")));
    std::ostringstream held;
    EXPECT_THAT(check_store(path_, held).error().detail, HasSubstr("another process"));
    world_.close();
    std::ostringstream checked, dumped;
    check_store(path_, checked).value();
    EXPECT_THAT(checked.str(), HasSubstr("publications: 5 records"));
    EXPECT_THAT(checked.str(), HasSubstr("all is well"));
    dump_store(path_, dumped).value();
    EXPECT_THAT(dumped.str(), HasSubstr(R"("data":{"n":3})"));
    EXPECT_THAT(dumped.str(), HasSubstr(R"("client":"c")"));
    back_up_store(path_, folder_.path() / "copy").value();
    EXPECT_FALSE(back_up_store(path_, folder_.path() / "copy"));
    EXPECT_FALSE(restore_store(folder_.path() / "copy", path_));  // not empty
    fs::remove_all(path_);
    restore_store(folder_.path() / "copy", path_).value();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a:b")).top, (position{"remade", 5}));
    EXPECT_EQ(world_.it->stale_presence().size(), 1u);
}

// One job or more in every place that there is, and every kind of row.
void fill_with_jobs(store& of) {
    const auto heard = std::make_shared<job_listener>();
    of.watch_jobs([heard](job_effects&& what) { heard->take(std::move(what)); });
    auto at_once = spec("runs", "limited");
    at_once.limit = {"one", 0, 0, 1};
    auto parked = at_once;
    parked.id = "parked";
    ask_job(of, enqueue({at_once, parked})).value();
    ask_job(of, offer(1, 2, {"limited"})).value();
    const auto runs = heard->taken().assigned.at(0);
    ask_job(of, jc::checkpoint{{"runs", runs.token}, "half"}).value();

    auto fails = spec("fails", "bad");
    fails.notify_group = "user:1";
    auto rate = spec("rated", "bad");
    rate.limit = {"slow", 1, 3'600'000, 0};
    ask_job(of, enqueue({fails, rate})).value();
    ask_job(of, offer(2, 2, {"bad"})).value();
    for (const auto& each : heard->taken().assigned)
        if (each.spec->id == "fails")
            ask_job(of, failed({"fails", each.token}, jc::fail::verdict::dead)).value();

    auto ready = spec("ready"), eta = spec("eta"), countdown = spec("countdown"), head = spec("head", "head"),
         other = spec("other", "later"), body = spec("body");
    ready.expires_ms = noon + 1000;
    ready.unique = "t.run:k";
    eta.eta_ms = noon + 1000;
    countdown.countdown_ms = 1000;
    head.part_of = {"chord", 0};
    other.part_of = {"chord", 1};
    body.waits = true;
    auto more = enqueue({ready, eta, countdown, head, other, body});
    more.barriers = {{"chord", 2, {"body"}, {}}};
    more.idempotency_key = "once";
    ask_job(of, more).value();
    ask_job(of, offer(3, 1, {"head"})).value();
    ask_job(of, succeed({"head", heard->taken().assigned.at(0).token})).value();
    ask_job(of, jc::pause{"q", true}).value();
    ask_job(of, jc::put_schedule{"nightly", R"({"task":"t","every":"1h"})", "api", noon}).value();
}

TEST_F(DataDir, ItsJobsAreCheckedAndDumped) {
    fill_with_jobs(world_.open());
    world_.close();
    std::ostringstream checked, dumped;
    ASSERT_TRUE(check_store(path_, checked)) << checked.str();
    EXPECT_THAT(checked.str(), HasSubstr("jobs: 10 records"));
    ASSERT_TRUE(dump_store(path_, dumped)) << dumped.str();
    for (const auto* each :
         {"barrier", "result", "checkpoint", "dead", "due_elapsed", "due_wall", "expires", "parked", "leases",
          "numbers", "news", "start", "paused", "counts", "schedule", "idempotency", "unique", "rate"})
        EXPECT_THAT(dumped.str(), HasSubstr(R"("kind":")" + std::string(each) + "\""));
    for (const auto* each : {R"("job":"ready","kwargs":"{}","losses":0,"number")",
                             R"("error":{"message":"it broke","type":"Oops"})", R"("column":"job_order")",
                             R"("column":"job_ready")"})
        EXPECT_THAT(dumped.str(), HasSubstr(each));
}

TEST_F(DataDir, ACheckNamesTheJobsThatDoNotFit) {
    fill_with_jobs(world_.open());
    world_.close();
    {
        auto bytes = open_rocks_kv(world_.settings).value();
        const auto batch = bytes->new_batch();
        batch->remove(column::jobs, "ready");  // its place stays
        batch->remove(column::job_rows, keys::job_row(keys::row::due_wall, noon + 1000, "eta"));
        batch->put(column::job_rows, keys::job_row(keys::row::counts, "limited"), "rubbish");
        bytes->commit(*batch).value();
        bytes->close().value();
    }
    std::ostringstream checked;
    EXPECT_EQ(check_store(path_, checked).error().code, errc::storage_failed);
    for (const auto* each : {R"("name":"ready","problem":"a place of a job that is not there")",
                             R"("name":"eta","problem":"nothing will begin it")",
                             R"("name":"limited","problem":"its counts are not what it has")",
                             R"("column":"job_rows","group":"","problem":"damaged")"})
        EXPECT_THAT(checked.str(), HasSubstr(each));
    EXPECT_THAT(checked.str(), Not(HasSubstr("all is well")));
}

// A folder as the versions before jobs wrote it: other columns, another number.
TEST_F(DataDir, AFolderOfFormat1GainsTheJobs) {
    world_.open();
    ask(*world_.it, store_request(publish("a", "1")));
    world_.close();
    {
        const auto name = (path_ / "db").string();
        std::vector<std::string> present;
        ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, name, &present).ok());
        std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
        for (const auto& each : present) wanted.emplace_back(each, rocksdb::ColumnFamilyOptions());
        std::vector<rocksdb::ColumnFamilyHandle*> opened;
        rocksdb::DB* db = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open({}, name, wanted, &opened, &db).ok());
        for (auto* each : opened) {
            if (each->GetName().starts_with("job")) {
                EXPECT_TRUE(db->DropColumnFamily(each).ok());
            }
            db->DestroyColumnFamilyHandle(each);
        }
        EXPECT_TRUE(db->Close().ok());
        delete db;
    }
    fs::remove(path_ / "progress");  // this was no madang's work
    write("format", format_text(4, 1));
    std::ostringstream checked;
    ASSERT_TRUE(check_store(path_, checked)) << checked.str();  // which changes nothing
    EXPECT_THAT(checked.str(), HasSubstr("publications: 1 records"));
    std::ifstream before(path_ / "format");
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(before)), {}), format_text(4, 1));

    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top, (position{"remade", 1}));
    fill_with_jobs(*world_.it);
    world_.close();
    std::ifstream after(path_ / "format");
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(after)), {}), format_text(4));
    world_.open();
    EXPECT_EQ(job_as<job_view>(ask_job(*world_.it, jq::find{"eta"})).state, job_state::scheduled);
}

TEST_F(DataDir, OpensAsTheOptionsSay) {
    options settings;
    settings.data_dir = path_;
    settings.store_shards = 3;
    settings.store_free_bytes = 0;
    settings.store_ballast_bytes = 1 << 20;
    const auto of = open_store(settings, world_.clock, *world_.counts).value();
    EXPECT_EQ(fs::file_size(path_ / "ballast"), 1u << 20);
    EXPECT_EQ(as<published>(ask(*of, store_request(publish("a", "x")))).at.offset, 1u);
    settings.data_dir = "none";
    const auto memory = open_store(settings, world_.clock, *world_.counts).value();
    EXPECT_EQ(as<published>(ask(*memory, store_request(publish("a", "x")))).at.offset, 1u);
}

}  // namespace
}  // namespace madang::test
