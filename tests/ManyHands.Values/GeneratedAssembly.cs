using System.Reflection;
using System.Runtime.Loader;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;

namespace ManyHands.Values;

/// <summary>Generated types, compiled into a file of their own, from which workers load them as well.</summary>
internal static class GeneratedAssembly
{
    private const string Usings = """
        #nullable disable
        using System;
        using System.Collections.Concurrent;
        using System.Collections.Frozen;
        using System.Collections.Generic;
        using System.Collections.Immutable;
        using System.Collections.ObjectModel;
        using System.Linq;
        using System.Numerics;
        using System.Runtime.CompilerServices;
        using System.Runtime.InteropServices;
        using System.Text;
        using ManyHands.Values;
        using PolyType;
        """;

    /// <summary>The cases of the round of that seed.</summary>
    public static IReadOnlyList<ValueCase> Compile(ulong seed, int types, string folder)
    {
        TypeGenerator generator = new(seed);
        TypeChoice[] choices = [.. Enumerable.Range(0, types).Select(_ => generator.Next())];
        string name = $"Generated{seed:x}";
        StringBuilder source = new();
        source.AppendLine(Usings).Append("namespace ").Append(name).AppendLine(";").AppendLine(generator.Source);
        for (int index = 0; index < choices.Length; index++)
            source.Append("public class Maker").Append(index).Append(" : IMaker<").Append(choices[index].Name).Append("> { public static ").Append(choices[index].Name).Append(" Make(Dice d) => ").Append(choices[index].Maker).AppendLine("; }");
        string file = Path.Combine(folder, name + ".dll");
        File.WriteAllText(Path.ChangeExtension(file, ".cs"), source.ToString());

        string known = (string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!;
        CSharpCompilation compilation = CSharpCompilation.Create(
            name,
            [CSharpSyntaxTree.ParseText(source.ToString(), new CSharpParseOptions(LanguageVersion.Latest))],
            known.Split(Path.PathSeparator).Select(static path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, warningLevel: 0));
        EmitResult result = compilation.Emit(file);
        if (!result.Success)
            throw new InvalidOperationException($"The generated source doesn't compile:\n{string.Join('\n', result.Diagnostics.Where(static one => one.Severity == DiagnosticSeverity.Error).Take(9))}\n{Path.ChangeExtension(file, ".cs")}");
        Assembly assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
        return [.. choices.Select((choice, index) => CaseOf(assembly.GetType($"{name}.Maker{index}", throwOnError: true)!, choice, index))];
    }

    private static ValueCase CaseOf(Type maker, TypeChoice choice, int index)
    {
        Type value = maker.GetInterfaces()[0].GetGenericArguments()[0];
        return (ValueCase)Activator.CreateInstance(typeof(ValueCase<,>).MakeGenericType(value, maker), [choice, index])!;
    }
}
