#include "storage/data_dir.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "storage/store_tools.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

using testing::HasSubstr;
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

TEST_F(DataDir, ANewerFormatIsRefused) {
    world_.open();
    world_.close();
    write("format", "madang store\nformat 2\nshards 4\nwhatever follows\n");
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
