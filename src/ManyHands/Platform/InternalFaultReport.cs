namespace ManyHands;

/// <summary>An exception that nobody foresaw, on a thread that has no caller to tell. The process goes on; what the thread was about has failed.</summary>
/// <param name="Thread">The name of the thread, such as <c>ManyHands Pool-1-Process-2</c>; for a thread of .NET's pool, <c>.NET thread pool</c>.</param>
/// <param name="Entry">Which of the library's threads or callbacks it was; <c>docs/architecture.md</c> says what each does then.</param>
/// <param name="About">What it was about, such as a worker or a call, and what became of that.</param>
/// <param name="Exception">What was thrown.</param>
public sealed record InternalFaultReport(string Thread, string Entry, string About, Exception Exception)
{
    /// <summary>The report as a sentence, with the exception's stack.</summary>
    public override string ToString() => $"ManyHands: unforeseen on {Thread} ({Entry}), about {About}: {Platform.ExceptionText.Of(Exception)}";
}
