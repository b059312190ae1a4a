// A report as a PDF. libharu's only home.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "figures.hpp"

namespace report {

class PdfError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A4, one page for each of `pages`. `font`: a TrueType file for titles beyond Latin-1, which is embedded into
// their documents; "": the PDF's own Helvetica, and '?' for what that has not. Throws PdfError.
std::string make_pdf(const std::string& title, const std::vector<Figures>& pages, const std::string& font);

}  // namespace report
