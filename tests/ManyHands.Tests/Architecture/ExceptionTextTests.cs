using Mono.Cecil;
using Xunit;

namespace ManyHands.Tests.Architecture;

/// <summary>
/// An exception may be a user's, whose members may throw, and what meets one is often in the middle of telling others: had it asked the exception itself, they would never hear. So what an exception says is read in one place.
/// </summary>
public sealed class ExceptionTextTests
{
    // The second reads what is to travel to another process, member by member, each guarded.
    private static readonly string[] Readers = ["ManyHands.Platform.ExceptionText", "ManyHands.Calls.RemoteFailure"];

    [Theory]
    [MemberData(nameof(ThreadTests.Assemblies), MemberType = typeof(ThreadTests))]
    public void NothingElse_AsksAnExceptionWhatItSays(string assembly)
    {
        using DefaultAssemblyResolver resolver = new();
        resolver.AddSearchDirectory(Path.GetDirectoryName(assembly));
        resolver.AddSearchDirectory(Path.GetDirectoryName(typeof(object).Assembly.Location));
        using ModuleDefinition module = ModuleDefinition.ReadModule(assembly, new ReaderParameters { AssemblyResolver = resolver });
        List<string> wrong = [];
        int read = 0;
        foreach (MethodDefinition method in module.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody))
        {
            bool isReader = Readers.Contains(Outermost(method.DeclaringType).FullName);
            foreach (MethodReference called in method.Body.Instructions.Select(instruction => instruction.Operand).OfType<MethodReference>())
            {
                if (!Asks(called))
                    continue;
                if (isReader)
                    read++;
                else if (!IsException(method.DeclaringType))
                    wrong.Add($"{method.FullName} calls {called.FullName}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong.Distinct()));

        // Or the reading has come apart, and the test sees nothing.
        if (assembly == typeof(Pool).Assembly.Location)
            Assert.InRange(read, 1, int.MaxValue);
    }

    // Itself, or by putting it into a text.
    private static bool Asks(MethodReference called) =>
        (called.Name is "get_Message" or "get_StackTrace" or "get_Source" or "get_HelpLink" or "get_Data" or "ToString" && IsException(called.DeclaringType))
        || (called is GenericInstanceMethod { Name: "AppendFormatted" } appended && IsException(appended.GenericArguments[0]));

    private static bool IsException(TypeReference? type)
    {
        for (TypeDefinition? one = type is GenericParameter ? null : type?.Resolve(); one is not null; one = one.BaseType?.Resolve())
        {
            if (one.FullName == "System.Exception")
                return true;
        }

        return false;
    }

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is null ? type : Outermost(type.DeclaringType);
}
