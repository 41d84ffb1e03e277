namespace ManyHands.Platform;

/// <summary>What an exception says. It may be a user's, and then any of its members may throw. Nothing else of the library asks an exception itself, and a test holds that.</summary>
internal static class ExceptionText
{
    /// <summary>Its message; empty if there is no exception.</summary>
    public static string MessageOf(Exception? exception) => Of(exception, static exception => exception.Message);

    /// <summary>All it says, with its stack; empty if there is no exception.</summary>
    public static string Of(Exception? exception) => Of(exception, static exception => exception.ToString());

    private static string Of(Exception? exception, Func<Exception, string?> read)
    {
        if (exception is null)
            return "";
        try
        {
            return read(exception) ?? "";
        }
        catch (Exception failure)
        {
            return $"(a {exception.GetType().FullName} that can't be read: that throws {failure.GetType().FullName})";
        }
    }
}
