#include "document.hpp"

#include <hpdf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

namespace report {

namespace {

constexpr float page_width = 595, page_height = 842;  // A4, in points
constexpr float margin = 56;
struct Colour {
    float red, green, blue;
};
constexpr Colour ink{.16F, .19F, .22F}, soft{.45F, .48F, .50F}, line{.86F, .84F, .79F},
    persimmon{.76F, .31F, .09F}, band{.97F, .87F, .78F}, roof{.20F, .23F, .26F};

struct Latin {
    std::string text;   // in Latin-1, '?' for what that has not
    bool whole = true;  // nothing was lost
};
Latin latin(const std::string& text) {  // of UTF-8
    Latin made;
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        if (first < 0x80) {
            made.text += text[i++];
            continue;
        }
        const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        const bool fits = length == 2 && i + 1 < text.size() && first <= 0xc3;
        const auto second = fits ? static_cast<unsigned char>(text[i + 1]) : 0;
        made.text += fits ? static_cast<char>((first & 3) << 6 | (second & 0x3f)) : '?';
        made.whole = made.whole && fits;
        i += length;
    }
    return made;
}

// "1234.5" with at most one digit behind the point.
std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value < 100 ? "%.1f" : "%.0f", value);
    return text;
}
std::string hour_text(double hour) {
    char text[8];
    std::snprintf(text, sizeof text, "%02d:00", static_cast<int>(hour));
    return text;
}

class Document {
  public:
    Document(std::string title, const std::string& font) : title_(std::move(title)) {
        pdf_.reset(HPDF_New(nullptr, nullptr));  // without a handler libharu keeps the first error
        if (!pdf_) throw PdfError("libharu has no memory");
        HPDF_SetCompressionMode(pdf_.get(), HPDF_COMP_ALL);
        text_ = HPDF_GetFont(pdf_.get(), "Helvetica", "WinAnsiEncoding");
        bold_ = HPDF_GetFont(pdf_.get(), "Helvetica-Bold", "WinAnsiEncoding");
        heading_ = bold_;
        if (auto [text, whole] = latin(title_); whole || font.empty()) {
            title_ = std::move(text);
            HPDF_SetInfoAttr(pdf_.get(), HPDF_INFO_TITLE, title_.c_str());
        } else {
            HPDF_UseUTFEncodings(pdf_.get());
            HPDF_SetCurrentEncoder(pdf_.get(), "UTF-8");
            HPDF_SetInfoAttr(pdf_.get(), HPDF_INFO_TITLE, title_.c_str());
            const char* name = HPDF_LoadTTFontFromFile(pdf_.get(), font.c_str(), HPDF_TRUE);
            check("the font " + font);
            heading_ = HPDF_GetFont(pdf_.get(), name, "UTF-8");
        }
        HPDF_SetInfoAttr(pdf_.get(), HPDF_INFO_CREATOR, "Madang");
        check("the document");
    }

    void add(const Figures& figures, std::size_t index, std::size_t count) {
        page_ = HPDF_AddPage(pdf_.get());
        HPDF_Page_SetWidth(page_, page_width);
        HPDF_Page_SetHeight(page_, page_height);
        head(index, count);
        write(text_, 12, soft, margin, 700, "People in the yard, hour by hour");
        curve(figures, margin, 440, page_width - 2 * margin, 230);
        write(text_, 12, soft, margin, 394, "The busiest hours");
        bars(figures, margin, 236, page_width - 2 * margin, 130);
        numbers(figures, margin, 170);
        check("page " + std::to_string(index));
    }

    std::string bytes() {
        HPDF_SaveToStream(pdf_.get());
        check("the document");
        std::string made(HPDF_GetStreamSize(pdf_.get()), '\0');
        auto size = static_cast<HPDF_UINT32>(made.size());
        HPDF_ReadFromStream(pdf_.get(), reinterpret_cast<HPDF_BYTE*>(made.data()), &size);
        check("the document");
        made.resize(size);
        return made;
    }

  private:
    struct Free {
        void operator()(HPDF_Doc pdf) const noexcept { HPDF_Free(pdf); }
    };

    void check(const std::string& what) {
        const auto wrong = HPDF_GetError(pdf_.get());
        if (wrong == HPDF_OK) return;
        char code[24];
        std::snprintf(code, sizeof code, "0x%04lx", static_cast<unsigned long>(wrong));
        throw PdfError(what + ": libharu's error " + code);
    }
    void fill(const Colour& c) { HPDF_Page_SetRGBFill(page_, c.red, c.green, c.blue); }
    void stroke(const Colour& c, float width) {
        HPDF_Page_SetRGBStroke(page_, c.red, c.green, c.blue);
        HPDF_Page_SetLineWidth(page_, width);
    }
    void rule(float x, float y, float to_x, float to_y) {
        HPDF_Page_MoveTo(page_, x, y);
        HPDF_Page_LineTo(page_, to_x, to_y);
        HPDF_Page_Stroke(page_);
    }
    void write(HPDF_Font font, float size, const Colour& colour, float x, float y, const std::string& text) {
        HPDF_Page_BeginText(page_);
        HPDF_Page_SetFontAndSize(page_, font, size);
        fill(colour);
        HPDF_Page_TextOut(page_, x, y, text.c_str());
        HPDF_Page_EndText(page_);
    }

    void head(std::size_t index, std::size_t count) {
        fill(roof);
        HPDF_Page_Rectangle(page_, 0, page_height - 26, page_width, 26);
        HPDF_Page_Fill(page_);
        write(bold_, 10, {1, 1, 1}, margin, page_height - 17, "Madang");
        // As large as it fits.
        float size = 26;
        HPDF_Page_SetFontAndSize(page_, heading_, size);
        const float width = HPDF_Page_TextWidth(page_, title_.c_str());
        size = std::max(9.0F, std::min(size, size * (page_width - 2 * margin) / std::max(width, 1.0F)));
        write(heading_, size, ink, margin, 750, title_);
        const std::string place = "Page " + std::to_string(index) + " of " + std::to_string(count);
        write(text_, 9, soft, margin, 36, place);
        stroke(line, .8F);
        rule(margin, 52, page_width - margin, 52);
    }

    // The mean as a line within the band from the tenth to the ninetieth percentile.
    void curve(const Figures& figures, float x, float y, float width, float height) {
        const double top = std::max(1.0, *std::max_element(figures.high.begin(), figures.high.end())) * 1.05;
        const auto across = [&](std::size_t hour) { return x + width * static_cast<float>(hour) / 23; };
        const auto up = [&](double value) { return y + height * static_cast<float>(value / top); };
        stroke(line, .6F);
        for (int step = 0; step <= 4; ++step) {
            const double value = top * step / 4;
            rule(x, up(value), x + width, up(value));
            write(text_, 8, soft, x - 24, up(value) - 3, number(value));
        }
        fill(band);
        HPDF_Page_MoveTo(page_, across(0), up(figures.low[0]));
        for (std::size_t hour = 1; hour < 24; ++hour)
            HPDF_Page_LineTo(page_, across(hour), up(figures.low[hour]));
        for (std::size_t hour = 24; hour-- > 0;)
            HPDF_Page_LineTo(page_, across(hour), up(figures.high[hour]));
        HPDF_Page_ClosePath(page_);
        HPDF_Page_Fill(page_);
        stroke(persimmon, 2);
        HPDF_Page_MoveTo(page_, across(0), up(figures.mean[0]));
        for (std::size_t hour = 1; hour < 24; ++hour)
            HPDF_Page_LineTo(page_, across(hour), up(figures.mean[hour]));
        HPDF_Page_Stroke(page_);
        for (std::size_t hour = 0; hour < 24; hour += 4)
            write(text_, 8, soft, across(hour) - 10, y - 14, hour_text(static_cast<double>(hour)));
    }

    void bars(const Figures& figures, float x, float y, float width, float height) {
        const float step = width / 24;
        for (std::size_t hour = 0; hour < 24; ++hour) {
            const auto tall = height * static_cast<float>(figures.mean[hour] / std::max(figures.most, 1.0));
            fill(figures.mean[hour] >= figures.most * .75 ? persimmon : band);
            HPDF_Page_Rectangle(page_, x + step * static_cast<float>(hour) + 2, y, step - 4, tall);
            HPDF_Page_Fill(page_);
        }
        stroke(line, .8F);
        rule(x, y, x + width, y);
    }

    void numbers(const Figures& figures, float x, float y) {
        const std::pair<const char*, std::string> all[] = {
            {"Busiest hour", hour_text(figures.busiest_hour)},
            {"People then", number(figures.most)},
            {"Person-hours a day", number(figures.total)},
        };
        const float step = (page_width - 2 * margin) / 3;
        for (const auto& [name, value] : all) {
            write(bold_, 22, persimmon, x, y, value);
            write(text_, 9, soft, x, y - 16, name);
            x += step;
        }
    }

    std::unique_ptr<std::remove_pointer_t<HPDF_Doc>, Free> pdf_;
    HPDF_Page page_ = nullptr;
    HPDF_Font text_ = nullptr, bold_ = nullptr, heading_ = nullptr;
    std::string title_;
};

}  // namespace

std::string make_pdf(const std::string& title, const std::vector<Figures>& pages, const std::string& font) {
    Document document(title, font);
    for (std::size_t i = 0; i < pages.size(); ++i) document.add(pages[i], i + 1, pages.size());
    return document.bytes();
}

}  // namespace report
