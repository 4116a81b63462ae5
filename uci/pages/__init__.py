"""What the web pages share: templates, boards and charts as SVG. A page is one file that loads nothing."""
