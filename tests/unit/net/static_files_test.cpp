#include "broker/net/static_files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace madang {
namespace {

namespace fs = std::filesystem;

struct StaticFiles : ::testing::Test {
    StaticFiles() {
        char pattern[] = "/tmp/madang-static-XXXXXX";
        top = ::mkdtemp(pattern);
        fs::create_directories(top / "site/sub");
        write("site/index.html", "<p>hi");
        write("site/sub/index.html", "sub");
        write("site/data.txt", "0123456789");
        write("site/.secret", "secret");
        write("outside.txt", "outside");
        fs::create_symlink("../outside.txt", top / "site/link.txt");
        fs::create_directories(top / "site-of-another");
        write("site-of-another/data.txt", "another's");
        fs::create_symlink("../site-of-another/data.txt", top / "site/another.txt");
        fs::create_symlink("data.txt", top / "site/inner.txt");
        ::mkfifo((top / "site/fifo").c_str(), 0600);
        std::string error;
        files = static_files::open((top / "site").string(), error);
    }
    ~StaticFiles() override { fs::remove_all(top); }
    void write(const std::string& name, const std::string& text) { std::ofstream(top / name) << text; }
    std::optional<http_response> get(std::string path, header_list headers = {}) {
        http_request request;
        request.method = "GET";
        request.path = request.raw_path = std::move(path);
        request.headers = std::move(headers);
        return files->serve(request);
    }
    static std::string value(const http_response& response, std::string_view name) {
        for (const auto& [n, v] : response.headers) {
            if (n == name) return v;
        }
        return "";
    }
    static std::string content(const http_response& response) {
        if (!response.file) return "(none)";
        std::string text(response.file->size, '\0');
        auto n = ::pread(response.file->file.get(), text.data(), text.size(),
                         static_cast<off_t>(response.file->offset));
        return text.substr(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    fs::path top;
    std::optional<static_files> files;
};

TEST_F(StaticFiles, ServesFilesWithTypeAndGuards) {
    auto response = get("/");
    ASSERT_TRUE(response);
    EXPECT_EQ(content(*response), "<p>hi");
    EXPECT_EQ(value(*response, "Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(value(*response, "X-Content-Type-Options"), "nosniff");
    EXPECT_NE(value(*response, "Content-Security-Policy"), "");
    EXPECT_EQ(content(*get("/inner.txt")), "0123456789");
}

TEST_F(StaticFiles, FindsNothingOutsideItsFolder) {
    for (auto path :
         {"/link.txt", "/another.txt", "/../outside.txt", "/sub/../../outside.txt", "/.secret",
          "/sub/.hidden", "/fifo", "/nothing", "/data.txt/", "/data.txt/x", "//proc/self/environ"})
        EXPECT_FALSE(get(path)) << path;
    EXPECT_FALSE(get(std::string("/data.txt\0.png", 14)));
}

TEST_F(StaticFiles, RedirectsAFolderToItsSlash) {
    auto response = get("/sub");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 308u);
    EXPECT_EQ(value(*response, "Location"), "/sub/");
    EXPECT_EQ(value(*get("//sub"), "Location"), "/sub/");  // never another host
    EXPECT_EQ(content(*get("/sub/")), "sub");
}

TEST_F(StaticFiles, AFolderOfThatNameIsNoIndex) {
    fs::create_directories(top / "site/odd/index.html");
    EXPECT_FALSE(get("/odd/"));
    fs::remove(top / "site/index.html");
    fs::create_directory(top / "site/index.html");
    EXPECT_FALSE(get("/"));
}

TEST_F(StaticFiles, AnswersNotModified) {
    auto first = get("/data.txt");
    auto etag = value(*first, "ETag");
    EXPECT_TRUE(etag.starts_with('"'));
    for (auto list : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")})
        EXPECT_EQ(get("/data.txt", {{"if-none-match", list}})->status, 304u) << list;
    EXPECT_EQ(get("/data.txt", {{"if-none-match", "\"x\""}})->status, 200u);
    auto modified = value(*first, "Last-Modified");
    EXPECT_EQ(get("/data.txt", {{"if-modified-since", modified}})->status, 304u);
    EXPECT_EQ(get("/data.txt", {{"if-modified-since", modified}, {"if-none-match", "\"x\""}})->status, 200u);
    write("site/data.txt", "changed, and longer");
    EXPECT_EQ(get("/data.txt", {{"if-none-match", etag}})->status, 200u);
}

TEST_F(StaticFiles, HonoursOneRange) {
    auto part = [&](std::string range) { return get("/data.txt", {{"range", std::move(range)}}); };
    EXPECT_EQ(part("bytes=2-4")->status, 206u);
    EXPECT_EQ(content(*part("bytes=2-4")), "234");
    EXPECT_EQ(value(*part("bytes=2-4"), "Content-Range"), "bytes 2-4/10");
    EXPECT_EQ(content(*part("bytes=7-")), "789");
    EXPECT_EQ(content(*part("bytes=-3")), "789");
    EXPECT_EQ(content(*part("bytes=-99")), "0123456789");
    EXPECT_EQ(content(*part("bytes=8-99")), "89");
    EXPECT_EQ(part("bytes=10-")->status, 416u);
    EXPECT_EQ(value(*part("bytes=10-"), "Content-Range"), "bytes */10");
    EXPECT_EQ(part("bytes=-0")->status, 416u);
    for (auto whole : {"bytes=0-1,3-4", "bytes=4-2", "bytes=a-b", "lines=1-2", "bytes=", "bytes=-",
                       "bytes=99999999999999999999-"})
        EXPECT_EQ(part(whole)->status, 200u) << whole;
}

TEST_F(StaticFiles, HonoursARangeOnlyOfTheFileItWasMeantFor) {
    auto etag = value(*get("/data.txt"), "ETag");
    EXPECT_EQ(get("/data.txt", {{"range", "bytes=0-1"}, {"if-range", etag}})->status, 206u);
    EXPECT_EQ(get("/data.txt", {{"range", "bytes=0-1"}, {"if-range", "\"other\""}})->status, 200u);
}

TEST_F(StaticFiles, SaysWhyAFolderCannotBeOpened) {
    std::string error;
    EXPECT_FALSE(static_files::open((top / "none").string(), error));
    EXPECT_NE(error.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace madang
